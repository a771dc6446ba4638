"""Rejects connections to other machines."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

LOOPBACK = {"127.0.0.1", "::1", "localhost"}


@contextlib.contextmanager
def loopback_only() -> Iterator[None]:
    """Raise RuntimeError with the address for every connection to another machine."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in LOOPBACK:
            raise RuntimeError(f"a test tried to connect to {address[0]}:{address[1]}")
        connect(self, address)

    with patch.object(socket.socket, "connect", guarded):
        yield
