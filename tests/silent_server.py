"""A server on loopback that accepts connections and never answers."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager


class SilentServer:
    """Counts its connections.

    Attributes:
        url: the endpoint.
    """

    def __init__(self, listener: socket.socket) -> None:
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        self._listener = listener
        self._accepted: list[socket.socket] = []

    @property
    def connections(self) -> int:
        """The number of connections until now."""
        while True:
            try:
                self._accepted.append(self._listener.accept()[0])
            except BlockingIOError:
                return len(self._accepted)

    def close(self) -> None:
        """Close all connections."""
        for connection in self._accepted:
            connection.close()


@contextmanager
def silent_server() -> Iterator[SilentServer]:
    """Run the server."""
    # The kernel completes connections that nothing has accepted yet.
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        listener.setblocking(False)
        server = SilentServer(listener)
        try:
            yield server
        finally:
            server.close()
