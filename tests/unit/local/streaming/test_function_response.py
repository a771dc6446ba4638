"""Responses of a runtime, read from a connection."""

from __future__ import annotations

import base64
import itertools
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.streaming.execution_environment import FunctionFailed, FunctionResponse
from local.streaming.wire import ClientClosedConnection, FunctionTimedOut, RuntimeRequest, Watch

PRELUDE = b'{"statusCode": 201, "headers": {"a": "b"}, "cookies": ["c=d"]}' + bytes(8)
END = b"0\r\n\r\n"


@contextmanager
def connection() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Yield both ends of a connection."""
    one, two = socket.socketpair()
    with closing(one), closing(two):
        yield one, two


@contextmanager
def response(sent: bytes) -> Iterator[tuple[FunctionResponse, socket.socket]]:
    """Yield the response that is read from these bytes, and the connection's end of the runtime."""
    with connection() as (runtime, server):
        runtime.sendall(b"POST /path HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + sent)
        runtime.shutdown(socket.SHUT_WR)
        watch = Watch(deadline=float("inf"), is_running=lambda: True)
        yield FunctionResponse.begin(RuntimeRequest.read(server, watch)), runtime


def chunks(*data: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in data)


@given(st.sets(st.integers(1, len(PRELUDE) - 1)), st.binary())
def test_a_prelude_can_be_split_anywhere(cuts: set[int], body: bytes) -> None:
    edges = [0, *sorted(cuts), len(PRELUDE) + len(body)]
    pieces = [(PRELUDE + body)[start:end] for start, end in itertools.pairwise(edges)]
    with response(chunks(*pieces) + END) as (read, runtime):
        assert (read.status, read.headers, read.cookies) == (201, {"a": "b"}, ["c=d"])
        assert b"".join(read.pieces()) == body
        assert runtime.recv(100).startswith(b"HTTP/1.1 202")


def test_the_error_in_the_trailers_is_raised_after_the_pieces() -> None:
    error = base64.b64encode(b'{"errorType": "ValueError"}')
    trailers = b"0\r\nLambda-Runtime-Function-Error-Body: " + error + b"\r\n\r\n"
    with response(chunks(PRELUDE, b"one") + trailers) as (read, _):
        pieces = read.pieces()
        assert next(pieces) == b"one"
        with pytest.raises(FunctionFailed, match="ValueError"):
            next(pieces)


def test_a_response_without_a_prelude_is_an_error() -> None:
    with pytest.raises(FunctionFailed, match="no prelude"), response(chunks(b"{}") + END):
        pass


@pytest.mark.parametrize("cut", [1, 3, 5, 8, 11])
def test_a_response_that_ends_early_is_an_error(cut: int) -> None:
    sent = (chunks(PRELUDE, b"one") + END)[:-cut]
    with response(sent) as (read, _), closing(read), pytest.raises(FunctionFailed, match="closed"):
        list(read.pieces())


def test_a_wait_ends_when_the_client_disconnects() -> None:
    with connection() as (_, source), connection() as (client, server):
        client.close()
        with pytest.raises(ClientClosedConnection):
            Watch(float("inf"), lambda: True, server).wait(source)


def test_a_client_that_sends_more_than_its_request_is_still_connected() -> None:
    with connection() as (runtime, source), connection() as (client, server):
        client.sendall(b"GET / HTTP/1.1\r\n")
        watch = Watch(float("inf"), lambda: True, server)
        runtime.sendall(b"answer")
        watch.wait(source)
        watch._check_client(server)
        assert watch.client is None
        watch.wait(source)


def test_a_wait_ends_at_the_timeout() -> None:
    with connection() as (_, source), pytest.raises(FunctionTimedOut):
        Watch(float("-inf"), lambda: True).wait(source)
