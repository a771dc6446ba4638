"""Addresses on loopback without a server."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager


def refused() -> str:
    """An address that refuses connections."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return _address(unused)


@contextmanager
def silent() -> Iterator[str]:
    """An address where a connection is neither accepted nor refused, as behind a firewall.

    The queue of the listening socket is full and never emptied, so that the kernel drops what knocks.
    """
    with ExitStack() as stack:
        listening = stack.enter_context(socket.socket())
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listening.getsockname())
        yield _address(listening)


def _address(bound: socket.socket) -> str:
    host, port = bound.getsockname()
    return f"http://{host}:{port}"
