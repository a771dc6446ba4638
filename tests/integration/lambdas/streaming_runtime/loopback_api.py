"""Lambda's Runtime API as a test sees it: each request is accepted, read and answered step by step."""

from __future__ import annotations

import json
import select
import socket
import time
from collections.abc import Mapping
from typing import Any, BinaryIO, Self

from tests.waiting import PATIENCE_SECONDS, wait_until


class Listener:
    """A loopback port. Every wait ends with an error after `PATIENCE_SECONDS`."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._socket.settimeout(PATIENCE_SECONDS)
        self._connections: list[socket.socket] = []
        self.port: int = self._socket.getsockname()[1]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for connection in [self._socket, *self._connections]:
            connection.close()

    def accept_connection(self) -> socket.socket:
        connection, _ = self._socket.accept()
        connection.settimeout(PATIENCE_SECONDS)
        self._connections.append(connection)
        return connection


class Handler:
    """The handler's side of a test: it waits at `gate` and sends lines."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._lines = connection.makefile("r")

    def open_gate(self) -> None:
        self._connection.sendall(b"g")

    def line(self) -> str:
        return self._lines.readline().rstrip("\n")

    def open_gate_until_line(self) -> str:
        """Open the gate again and again, until the handler sends a line."""

        def has_line() -> bool:
            ready, _, _ = select.select([self._connection], [], [], 0)
            if not ready:
                self.open_gate()
            return bool(ready)

        wait_until(has_line, "a line of the handler")
        return self.line()


class Request:
    """A request of the runtime whose head has been read."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._input: BinaryIO = connection.makefile("rb")
        self.method, self.path, _ = self._line().split(" ")
        self.headers = self._read_headers()

    def chunk(self) -> bytes:
        """Wait for the next chunk and return it; empty at the end of the body."""
        size = int(self._line(), 16)
        if size == 0:
            self.trailers = self._read_headers()
            return b""
        data = self._input.read(size)
        assert self._input.read(2) == b"\r\n"
        return data

    def chunks(self) -> list[bytes]:
        """Return all further chunks."""
        return list(iter(self.chunk, b""))

    def prelude(self) -> dict[str, Any]:
        """Return the prelude, which has a chunk of its own."""
        document, end, rest = self.chunk().partition(bytes(8))
        assert end == bytes(8)
        assert rest == b""
        prelude: dict[str, Any] = json.loads(document)
        return prelude

    def json(self) -> dict[str, Any]:
        """Return a body with Content-Length."""
        document: dict[str, Any] = json.loads(self._input.read(int(self.headers["content-length"])))
        return document

    def reply(self, status: int = 202, headers: Mapping[str, str] | None = None, body: bytes = b"") -> None:
        lines = [f"HTTP/1.1 {status} Status", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        self._connection.sendall("\r\n".join([*lines, "", ""]).encode("latin-1") + body)

    def is_closed_by_the_runtime(self) -> bool:
        """Wait for the end of the connection, and return whether nothing else arrives."""
        try:
            return self._input.read(1) == b""
        except ConnectionResetError:
            return True

    def disconnect(self) -> None:
        """Close the connection, as if the client of the API had left."""
        self._input.close()
        self._connection.close()

    def _line(self) -> str:
        return self._input.readline().decode("latin-1").removesuffix("\r\n")

    def _read_headers(self) -> dict[str, str]:
        pairs = (line.partition(": ") for line in iter(self._line, ""))
        return {name.lower(): value for name, _, value in pairs}


class LoopbackApi(Listener):
    """The Runtime API. The test calls its methods in the order of the expected requests."""

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def accept(self, method: str, path: str) -> Request:
        """Wait for the runtime's next request, which must have this method and path."""
        request = Request(self.accept_connection())
        assert (request.method, request.path) == (method, f"/2018-06-01/runtime/{path}")
        return request

    def invoke(
        self,
        event: object,
        *,
        request_id: str = "request-1",
        seconds: float = 600,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Answer the runtime's request for an invocation, which times out in `seconds`."""
        head = {
            "Lambda-Runtime-Aws-Request-Id": request_id,
            "Lambda-Runtime-Deadline-Ms": str(int((time.time() + seconds) * 1000)),
            "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:us-east-1:123456789012:function:f",
            **(headers or {}),
        }
        request = self.accept("GET", "invocation/next")
        request.reply(200, head, json.dumps(event).encode())

    def response(self, request_id: str = "request-1") -> Request:
        """Wait for the beginning of the response."""
        return self.accept("POST", f"invocation/{request_id}/response")

    def error(self, request_id: str = "request-1") -> Request:
        """Wait for the report of an error before the response began."""
        return self.accept("POST", f"invocation/{request_id}/error")
