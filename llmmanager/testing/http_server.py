"""A small HTTP/1.1 server on loopback with keep-alive, chunked responses and closing of connections."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
import struct
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

HOST = "127.0.0.1"
_MAX_HEAD = 64 * 1024


@dataclass(frozen=True)
class ServerRequest:
    """One request. `path` is percent-encoded, and header names are in lower case.

    `client_left` returns whether the client has closed the connection.
    """

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    client_left: Callable[[], bool] = lambda: False


@dataclass(frozen=True)
class ServerResponse:
    """One response. A generator as `body` is sent in chunks.

    `on_lost` is called if a body of type bytes could not be sent.
    """

    status: int
    body: bytes | AsyncGenerator[bytes, None] = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    on_lost: Callable[[], None] | None = None


def json_response(
    answer: Any,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    on_lost: Callable[[], None] | None = None,
) -> ServerResponse:
    """Return a response with `answer` as JSON."""
    body = json.dumps(answer, separators=(",", ":")).encode()
    return ServerResponse(status, body, {"Content-Type": "application/json", **(headers or {})}, on_lost)


class DropConnection(Exception):
    """Raised by a handler or body to close the connection at once."""


class NeverAnswer(Exception):
    """Raised by a handler or body to send nothing more. `left` is called when the client disconnects."""

    def __init__(self, left: Callable[[], None]) -> None:
        super().__init__()
        self.left = left


class _BadRequest(Exception):
    pass


class HttpServer:
    """Serves `handler` on 127.0.0.1 in a thread between `start()` and `stop()`."""

    def __init__(
        self, handler: Callable[[ServerRequest], Awaitable[ServerResponse]], *, port: int = 0
    ) -> None:
        self._handler = handler
        self._port = port
        self._connections: set[asyncio.Task[None]] = set()
        self._servers: list[asyncio.Server] = []
        self._started = threading.Event()
        self._failure: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        """The port of the server; before the start, the configured port."""
        return self._port

    def start(self) -> None:
        """Start listening. Raise OSError if the port is in use."""
        if self._thread is not None:
            raise RuntimeError("the server is running already")
        self._started.clear()
        self._failure = None
        self._thread = threading.Thread(target=self._run, name="fake-bedrock", daemon=True)
        self._thread.start()
        self._started.wait()
        if self._failure is not None:
            self._thread.join()
            self._thread = None
            raise self._failure

    def listen_tls(self, context: ssl.SSLContext) -> int:
        """Listen for HTTPS until the next stop, and return the port. Raise RuntimeError before the start."""
        if self._thread is None or self._loop is None:
            raise RuntimeError("FakeBedrock is not running: call start(), or use it in a with block")

        async def listen() -> int:
            server = await asyncio.start_server(
                self._accept, HOST, 0, backlog=2048, limit=_MAX_HEAD, ssl=context
            )
            self._servers.append(server)
            port: int = server.sockets[0].getsockname()[1]
            return port

        return asyncio.run_coroutine_threadsafe(listen(), self._loop).result()

    def stop(self) -> None:
        """Close all connections and wait for the thread."""
        thread, self._thread = self._thread, None
        if thread is None or self._loop is None or self._stop is None:
            return
        with contextlib.suppress(RuntimeError):  # the loop is closed already
            self._loop.call_soon_threadsafe(self._stop.set)
        thread.join()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            self._failure = error
        finally:
            self._started.set()

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._accept, HOST, self._port, backlog=2048, limit=_MAX_HEAD)
        self._port = server.sockets[0].getsockname()[1]
        self._servers = [server]
        self._started.set()
        await self._stop.wait()
        await self._end_connections()

    async def _end_connections(self) -> None:
        """Stop accepting connections, and close all connections and their sockets."""
        assert self._loop is not None
        for server in self._servers:
            for listening in server.sockets:
                self._loop.remove_reader(listening.fileno())
        # asyncio leaves a socket open that is accepted just before the server closes.
        await asyncio.sleep(0)
        for server in self._servers:
            server.close()
        while others := asyncio.all_tasks() - {asyncio.current_task()}:
            for task in others:
                task.cancel()
            await asyncio.wait(others)
            await asyncio.sleep(0)  # a cancelled accept may still call `_accept`
        await asyncio.sleep(0)  # lets the transports close

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a new connection. It is closed also if `stop()` cancels the task before it starts."""
        task = asyncio.get_running_loop().create_task(self._serve_connection(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)
        task.add_done_callback(lambda _: writer.close())

    async def _serve_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._serve_request(reader, writer):
                pass
        except (OSError, EOFError, DropConnection):
            _reset(writer)
        except NeverAnswer as silence:
            with contextlib.suppress(OSError, asyncio.CancelledError):
                while await reader.read(_MAX_HEAD):
                    pass
            silence.left()
            _reset(writer)
        except asyncio.CancelledError:
            _reset(writer)  # only stop() cancels the task, and it expects no error

    async def _serve_request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        try:
            request = await _read_request(reader, writer)
        except _BadRequest as error:
            await _write(writer, ServerResponse(400, str(error).encode()), keep_alive=False)
            return False
        if request is None:
            return False
        keep_alive = request.headers.get("connection", "").lower() != "close"
        complete = await _write(writer, await self._handler(request), keep_alive=keep_alive)
        return keep_alive and complete


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close the connection with a TCP reset."""
    sock = writer.get_extra_info("socket")
    if sock is not None and sock.fileno() >= 0:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def _read_request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> ServerRequest | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    except asyncio.LimitOverrunError:
        raise _BadRequest("The request head is too long.") from None
    request_line, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    parts = request_line.split(" ")
    if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
        raise _BadRequest("This is not an HTTP/1.1 request.")
    headers = {
        name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)
    }
    if headers.get("expect", "").lower() == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    path, _, query = parts[1].partition("?")
    body = await _read_body(reader, headers)
    return ServerRequest(
        parts[0], path, dict(parse_qsl(query)), headers, body, client_left=lambda: _has_left(reader)
    )


def _has_left(reader: asyncio.StreamReader) -> bool:
    """Whether the client has closed the connection, or reset it since it had not read everything."""
    return reader.at_eof() or reader.exception() is not None


async def _read_body(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes:
    if "chunked" in headers.get("transfer-encoding", "").lower():
        return await _read_chunks(reader)
    length = headers.get("content-length", "0")
    if not length.isdecimal():
        raise _BadRequest("Content-Length is not a number.")
    return await reader.readexactly(int(length))


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    chunks: list[bytes] = []
    while True:
        size_line = (await reader.readuntil(b"\r\n")).partition(b";")[0].strip()
        try:
            size = int(size_line, 16)
        except ValueError:
            raise _BadRequest("A chunk's size is not a number.") from None
        chunk = await reader.readexactly(size)
        await reader.readuntil(b"\r\n")
        if not size:
            return b"".join(chunks)
        chunks.append(chunk)


async def _write(writer: asyncio.StreamWriter, response: ServerResponse, *, keep_alive: bool) -> bool:
    """Send `response`. Return False if its body ended early, without the last chunk."""
    headers = {
        "Date": formatdate(usegmt=True),
        **response.headers,
        "Connection": "keep-alive" if keep_alive else "close",
    }
    body = response.body
    if isinstance(body, bytes):
        headers["Content-Length"] = str(len(body))
        try:
            writer.write(_head(response.status, headers) + body)
            await writer.drain()
        except BaseException:
            if response.on_lost is not None:
                response.on_lost()
            raise
        return True
    headers["Transfer-Encoding"] = "chunked"
    writer.write(_head(response.status, headers))
    async with contextlib.aclosing(body) as chunks:
        try:
            async for chunk in chunks:
                writer.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
                await writer.drain()
                # drain() returns at once for small chunks. The loop must serve the other connections, and
                # notice that this one is lost.
                await asyncio.sleep(0)
        except DropConnection:
            return False
    writer.write(b"0\r\n\r\n")
    await writer.drain()
    return True


def _head(status: int, headers: Mapping[str, str]) -> bytes:
    try:
        reason = HTTPStatus(status).phrase
    except ValueError:
        reason = "Unknown"
    lines = [f"HTTP/1.1 {status} {reason}", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")
