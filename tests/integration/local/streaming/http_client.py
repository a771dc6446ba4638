"""An HTTP client that reads a response step by step."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from tests.waiting import PATIENCE_SECONDS


class Call:
    """One request, whose response is read chunk by chunk."""

    def __init__(
        self,
        port: int,
        path: str,
        *,
        event: object = None,
        method: str = "POST",
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS)
        self._input = self._socket.makefile("rb")
        content = json.dumps(event).encode() if body is None else body
        given = {"Host": "127.0.0.1", "Content-Length": str(len(content)), **(headers or {})}
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in given.items())]
        self._socket.sendall("\r\n".join([*lines, "", ""]).encode() + content)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.disconnect()

    def head(self) -> tuple[int, list[tuple[str, str]]]:
        """Wait for the beginning of the response; return status and headers."""
        status = int(self._input.readline().split(b" ")[1])
        headers = []
        while (line := self._input.readline()) not in (b"\r\n", b""):
            name, _, value = line.decode().rstrip("\r\n").partition(": ")
            headers.append((name.lower(), value))
        return status, headers

    def chunk(self) -> bytes:
        """Wait for the next chunk and return it; empty for the last one."""
        size = int(self._input.readline(), 16)
        data = self._input.read(size)
        assert self._input.read(2) == b"\r\n"
        return data

    def rest(self) -> bytes:
        """Return everything up to the end of the connection."""
        return self._input.read()

    def whole(self) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers and body of a complete response."""
        status, headers = self.head()
        by_name = dict(headers)
        if by_name.get("transfer-encoding") == "chunked":
            return status, by_name, b"".join(iter(self.chunk, b""))
        return status, by_name, self.rest()

    def disconnect(self) -> None:
        """Close the connection."""
        self._input.close()
        self._socket.close()


def call(port: int, path: str, **arguments: Any) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers and body of the response to a request."""
    with Call(port, path, **arguments) as one:
        return one.whole()
