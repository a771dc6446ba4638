"""Connections of a call that another thread interrupts."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError

from llmmanager.bedrock.models.deadline import Cancellation
from llmmanager.bedrock.transport.clients import ClientPool
from llmmanager.bedrock.transport.converse_api import converse, converse_stream
from llmmanager.testing import FakeBedrock, Fault
from tests.waiting import PATIENCE_SECONDS, wait_until

MODEL = "amazon.nova-lite-v1:0"
BODY = b'{"messages": [{"role": "user", "content": [{"text": "Hello"}]}]}'


@pytest.fixture(params=["http", "https"])
def bedrock(
    request: pytest.FixtureRequest,
    fake_bedrock: FakeBedrock,
    aws_credentials: None,
    monkeypatch: pytest.MonkeyPatch,
) -> FakeBedrock:
    """A FakeBedrock behind plain connections, or behind TLS."""
    if request.param == "https":
        monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", fake_bedrock.https_endpoint_url)
        monkeypatch.setenv("AWS_CA_BUNDLE", str(fake_bedrock.certificate))
    return fake_bedrock


@pytest.fixture
def client(aws_credentials: None, fake_bedrock: FakeBedrock) -> Iterator[Callable[[], Any]]:
    """Return a function that returns the client of one region."""
    pool = ClientPool(timeout=PATIENCE_SECONDS)
    yield lambda: pool.client("bedrock-runtime", "us-east-1")
    pool.close()


def unused(client: Any) -> list[Any]:
    """The open connections in the pool of a client, which are not in use."""
    pools = client._endpoint.http_session._manager.pools._container.values()
    return [connection for pool in pools for connection in pool.pool.queue if connection.sock is not None]


def interrupted(call: Callable[[Cancellation], object], when: Callable[[], object]) -> Exception:
    """Run a call on a thread and interrupt it. Return its error."""
    cancelled = Cancellation()
    errors: list[Exception] = []

    def run() -> None:
        try:
            call(cancelled)
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    wait_until(when)
    cancelled.interrupt()
    thread.join(PATIENCE_SECONDS)
    assert not thread.is_alive()
    assert not cancelled._closers
    return errors[0]


def test_an_interrupted_call_ends_and_its_connection_closes(bedrock: FakeBedrock, client) -> None:
    bedrock.add_fault(Fault(hang=True, count=1))
    interrupted(
        lambda cancelled: converse(client(), MODEL, BODY, PATIENCE_SECONDS, cancelled=cancelled),
        when=lambda: bedrock.in_flight,
    )
    wait_until(lambda: not bedrock.in_flight)
    assert bedrock.calls[0].error_code == "hang"
    assert unused(client()) == []
    assert converse(client(), MODEL, BODY, PATIENCE_SECONDS)["stopReason"] == "end_turn"


def test_a_stream_ends_when_it_is_interrupted_between_events(bedrock: FakeBedrock, client) -> None:
    bedrock.add_fault(Fault(hang=True, after_chunks=2, operation="ConverseStream"))
    received: list[Any] = []

    def read(cancelled: Cancellation) -> None:
        stream = converse_stream(client(), MODEL, BODY, PATIENCE_SECONDS, cancelled=cancelled)
        with contextlib.closing(stream):
            received.extend(stream)
        raise EOFError

    interrupted(read, when=lambda: len(received) >= 3)
    wait_until(lambda: not bedrock.in_flight)
    assert unused(client()) == []


def test_a_connection_that_is_used_again_belongs_to_the_new_call(bedrock: FakeBedrock, client) -> None:
    first = Cancellation()
    converse(client(), MODEL, BODY, PATIENCE_SECONDS, cancelled=first)
    [kept] = unused(client())
    second = Cancellation()

    def interrupt_first(**_: Any) -> None:
        first.interrupt()

    client().meta.events.register("before-send.bedrock-runtime.Converse", interrupt_first)
    converse(client(), MODEL, BODY, PATIENCE_SECONDS, cancelled=second)
    assert unused(client()) == [kept]
    assert not first._closers
    assert not second._closers


def test_a_call_that_was_interrupted_before_gets_no_answer(bedrock: FakeBedrock, client) -> None:
    converse(client(), MODEL, BODY, PATIENCE_SECONDS)
    cancelled = Cancellation()
    cancelled.interrupt()
    for _ in range(2):  # with the connection of the first call, and with a new one
        with pytest.raises(BotoCoreError):
            converse(client(), MODEL, BODY, PATIENCE_SECONDS, cancelled=cancelled)
    assert unused(client()) == []
    assert len(bedrock.calls) == 1


def test_a_response_that_ends_its_connection_can_be_interrupted_as_well(client, monkeypatch) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n{"
    accepted = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", address)
        received: list[bytes] = []

        def serve() -> None:
            server, _ = listener.accept()
            with server:
                while not server.recv(65536).endswith(BODY):
                    pass
                server.sendall(head)
                accepted.set()
                received.append(server.recv(65536))

        thread = threading.Thread(target=serve)
        thread.start()
        opened = client()
        interrupted(
            lambda cancelled: converse(opened, MODEL, BODY, PATIENCE_SECONDS, cancelled=cancelled),
            when=accepted.is_set,
        )
        thread.join(PATIENCE_SECONDS)
    assert received == [b""]


def test_a_tls_handshake_is_interrupted(client, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"https://127.0.0.1:{listener.getsockname()[1]}"
        monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", address)
        silent: list[socket.socket] = []
        opened = client()
        opened._endpoint.http_session._timeout = PATIENCE_SECONDS

        def accept() -> None:
            server, _ = listener.accept()
            server.recv(65536)  # the client's hello
            silent.append(server)

        thread = threading.Thread(target=accept)
        thread.start()
        interrupted(
            lambda cancelled: converse(opened, MODEL, BODY, PATIENCE_SECONDS, cancelled=cancelled),
            when=lambda: silent,
        )
        thread.join(PATIENCE_SECONDS)
        assert silent[0].recv(65536) == b""
        silent[0].close()


def test_calls_without_a_cancellation_keep_their_connections(bedrock: FakeBedrock, client) -> None:
    for _ in range(3):
        converse(client(), MODEL, BODY, PATIENCE_SECONDS, cancelled=threading.Event())
    assert len(unused(client())) == 1
