"""Read HTTP messages of a runtime from a socket, and stop waiting if the client or the process is gone."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.message import Message
from http.client import parse_headers
from io import BytesIO
from typing import Final, Self

_CHECK_SECONDS: Final = 0.5


class ClientClosedConnection(Exception):
    """The client closed its connection."""


class FunctionTimedOut(Exception):
    """The function's timeout has passed."""


class ConnectionEnded(Exception):
    """The runtime closed a connection in the middle of a message, or its process ended."""


@dataclass
class Watch:
    """Waits for a socket of the runtime, and watches its process, the client and the timeout.

    Attributes:
        deadline: as `time.monotonic()`.
        is_running: whether the process of the runtime runs.
        client: the connection of the client, or None.
    """

    deadline: float
    is_running: Callable[[], bool]
    client: socket.socket | None = None

    def wait(self, source: socket.socket) -> None:
        """Wait until the socket can be read.

        Raises:
            ClientClosedConnection, FunctionTimedOut, ConnectionEnded: it cannot be read before.
        """
        while True:
            sockets = [source, *([self.client] if self.client else [])]
            seconds = min(max(self.deadline - time.monotonic(), 0), _CHECK_SECONDS)
            ready, _, _ = select.select(sockets, [], [], seconds)
            if source in ready:
                return
            if self.client in ready:
                self._check_client(self.client)
            elif not self.is_running():
                raise ConnectionEnded("the process of the function ended")
            elif time.monotonic() >= self.deadline:
                raise FunctionTimedOut

    def _check_client(self, client: socket.socket) -> None:
        try:
            if not client.recv(1, socket.MSG_PEEK):
                raise ClientClosedConnection
        except ConnectionError:
            raise ClientClosedConnection from None
        # The client has sent more than its request. Its connection ends after the response.
        self.client = None


class RuntimeRequest:
    """A request of the runtime. The head is read; the body is read on demand."""

    def __init__(self, connection: socket.socket, watch: Watch) -> None:
        self._connection = connection
        self._watch = watch
        self._buffer = bytearray()
        self.method = self.path = ""
        self.headers = self.trailers = Message()

    @classmethod
    def read(cls, connection: socket.socket, watch: Watch) -> Self:
        """Read the head of a request. After an error, the connection is closed."""
        request = cls(connection, watch)
        try:
            request.method, request.path, _ = request._line().decode("latin-1").split(" ", 2)
            request.headers = request._read_headers()
        except BaseException:
            request.close()
            raise
        return request

    def body(self) -> bytes:
        """Return a body with Content-Length."""
        return self._exactly(int(self.headers.get("Content-Length", "0")))

    def chunks(self) -> Iterator[bytes]:
        """Yield the chunks of the body. Afterwards, `trailers` is set."""
        while size := int(self._line(), 16):
            yield self._exactly(size)
            self._line()
        self.trailers = self._read_headers()

    def reply(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        """Answer the request and close the connection."""
        lines = [f"HTTP/1.1 {status} Status", f"Content-Length: {len(body)}", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        try:
            self._connection.sendall("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
        except ConnectionError as error:
            raise ConnectionEnded("the runtime closed its connection") from error
        finally:
            self.close()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _read_headers(self) -> Message:
        lines = bytearray()
        while (line := self._line()) != b"":
            lines += line + b"\r\n"
        return parse_headers(BytesIO(bytes(lines) + b"\r\n"))

    def _line(self) -> bytes:
        while (end := self._buffer.find(b"\r\n")) < 0:
            self._receive()
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        return line

    def _exactly(self, size: int) -> bytes:
        while len(self._buffer) < size:
            self._receive()
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data

    def _receive(self) -> None:
        self._watch.wait(self._connection)
        try:
            data = self._connection.recv(65536)
        except ConnectionError:
            data = b""
        if not data:
            raise ConnectionEnded("the runtime closed its connection")
        self._buffer += data
