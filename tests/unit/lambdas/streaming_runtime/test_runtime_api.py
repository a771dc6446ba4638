"""A streamed response as the client of the Runtime API sends it."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest

from lambdas.streaming_runtime.runtime_api import ClientDisconnected, Invocation, ResponseStream, RuntimeApi


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


def response(listener: socket.socket, *, seconds: float = 600) -> ResponseStream:
    """Begin a response to a Runtime API that accepts the connection and reads nothing."""
    host, port = listener.getsockname()
    invocation = Invocation("id", b"{}", time.time() + seconds, "arn", "")
    return RuntimeApi(f"{host}:{port}").start_response(invocation, b"{}" + bytes(8))


def test_a_small_piece_is_sent_at_once(listener: socket.socket) -> None:
    stream = response(listener)
    assert stream._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    stream.close()


def test_a_client_that_does_not_read_is_given_up_at_the_timeout(listener: socket.socket) -> None:
    stream = response(listener, seconds=0.1)
    with pytest.raises(ClientDisconnected):
        stream.write(bytes(100_000_000))
    stream.close()


def test_a_runtime_api_that_does_not_listen_is_a_disconnect(listener: socket.socket) -> None:
    address = listener.getsockname()
    listener.close()
    with pytest.raises(ClientDisconnected):
        ResponseStream(f"{address[0]}:{address[1]}", Invocation("id", b"", 0, "", ""), b"{}")
