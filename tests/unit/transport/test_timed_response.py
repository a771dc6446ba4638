"""Responses end at the deadline of their call, even if the server still sends data."""

from __future__ import annotations

import math
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from llmmanager.bedrock.models.deadline import NEVER, Deadline
from llmmanager.bedrock.transport.clients import ClientPool
from llmmanager.bedrock.transport.converse_api import converse, converse_stream, current_deadline
from llmmanager.bedrock.transport.timed_response import _TimedReader
from llmmanager.testing import FakeBedrock
from tests.waiting import PATIENCE_SECONDS

MODEL = "amazon.nova-lite-v1:0"
BODY = b'{"messages": [{"role": "user", "content": [{"text": "Hello"}]}]}'


class ManualDeadline(Deadline):
    """A deadline that passes when a test says so."""

    def __init__(self) -> None:
        super().__init__(math.inf)
        self.left: float = PATIENCE_SECONDS

    def remaining(self) -> float:
        return self.left


@pytest.fixture(params=["http", "https"])
def client(
    request: pytest.FixtureRequest,
    fake_bedrock: FakeBedrock,
    aws_credentials: None,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Callable[[], Any]]:
    """Return a function that returns a client."""
    if request.param == "https":
        monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", fake_bedrock.https_endpoint_url)
        monkeypatch.setenv("AWS_CA_BUNDLE", str(fake_bedrock.certificate))
    pool = ClientPool(timeout=PATIENCE_SECONDS)
    yield lambda: pool.client("bedrock-runtime", "us-east-1")
    pool.close()


@pytest.mark.parametrize("call", [converse, converse_stream])
def test_no_response_is_read_after_the_deadline(client: Callable[[], Any], call: Callable[..., Any]) -> None:
    deadline = ManualDeadline()
    deadline.left = 0.0
    with pytest.raises(ReadTimeoutError):
        call(client(), MODEL, BODY, PATIENCE_SECONDS, deadline=deadline)
    assert current_deadline() is NEVER


def test_bytes_that_arrive_in_time_are_read_until_the_deadline() -> None:
    deadline = ManualDeadline()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(PATIENCE_SECONDS)
        theirs.sendall(b"ab")
        reader = _TimedReader(socket.SocketIO(ours, "rb"), ours, deadline)  # type: ignore[arg-type]
        assert reader.read(1) == b"a"
        deadline.left = 0.0
        with pytest.raises(TimeoutError, match="the deadline has passed"):
            reader.read(1)


def test_a_connection_is_used_again_after_a_response_before_its_deadline(
    client: Callable[[], Any], fake_bedrock: FakeBedrock
) -> None:
    deadline = ManualDeadline()
    for _ in range(2):
        assert converse(client(), MODEL, BODY, PATIENCE_SECONDS, deadline=deadline)["stopReason"]
        list(converse_stream(client(), MODEL, BODY, PATIENCE_SECONDS, deadline=deadline))
    pool = next(iter(client()._endpoint.http_session._manager.pools._container.values()))
    (connection,) = (connection for connection in pool.pool.queue if connection.sock is not None)
    assert connection.sock.gettimeout() == PATIENCE_SECONDS
    assert len(fake_bedrock.calls) == 4
