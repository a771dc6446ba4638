"""The server of FakeBedrock serves many connections with one event loop."""

from __future__ import annotations

import socket
import threading
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from urllib.request import urlopen

from llmmanager.testing.http_server import HttpServer, ServerRequest, ServerResponse
from tests.waiting import PATIENCE_SECONDS


def test_a_request_is_answered_during_a_long_stream_to_another_client() -> None:
    has_begun, other_request_waits = threading.Event(), threading.Event()
    ended: list[str] = []

    async def chunks() -> AsyncGenerator[bytes, None]:
        # Blocks the event loop, which then finds the other request.
        has_begun.set()
        assert other_request_waits.wait(PATIENCE_SECONDS)
        for _ in range(2000):
            yield b"x"
        ended.append("/long")

    async def handle(request: ServerRequest) -> ServerResponse:
        if request.path == "/long":
            return ServerResponse(200, chunks())
        ended.append(request.path)
        return ServerResponse(200)

    server = HttpServer(handle)
    server.start()
    with ThreadPoolExecutor(1) as pool:
        long_answer = pool.submit(lambda: urlopen(f"http://127.0.0.1:{server.port}/long").read())
        assert has_begun.wait(PATIENCE_SECONDS)
        with socket.create_connection(("127.0.0.1", server.port)) as other:
            other.sendall(b"GET /short HTTP/1.1\r\nHost: localhost\r\n\r\n")
            other_request_waits.set()
            assert other.recv(100).startswith(b"HTTP/1.1 200")
        assert long_answer.result() == b"x" * 2000
    server.stop()
    assert ended == ["/short", "/long"]
