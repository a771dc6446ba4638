"""TLS connections that end early are tried again; certificates that cannot be verified are configuration."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from llmmanager import BedrockConverseRequest, ConfigurationError
from llmmanager.testing import Call, FakeBedrock

LONG_TEXT = " ".join(f"word{number}" for number in range(4000))


class Relay:
    """Passes TLS connections on to FakeBedrock, and ends the first ones early.

    Attributes:
        ends: for each connection in order, after how many bytes of the client and of the server it ends;
            connections beyond that are left alone.
    """

    def __init__(self, port: int) -> None:
        self.ends: list[tuple[float, float]] = []
        self._target = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._connections: list[tuple[socket.socket, threading.Thread]] = []
        self.url = f"https://127.0.0.1:{self._listener.getsockname()[1]}"
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()

    def stop(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._acceptor.join(30)
        for client, thread in self._connections:
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
            thread.join(30)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                most = self.ends.pop(0) if self.ends else (float("inf"), float("inf"))
                thread = threading.Thread(target=self._serve, args=(client, most), daemon=True)
                self._connections.append((client, thread))
                thread.start()

    def _serve(self, client: socket.socket, most: tuple[float, float]) -> None:
        with client, contextlib.suppress(OSError), socket.create_connection(self._target) as server:
            left = dict(zip((client, server), most, strict=True))
            other = {client: server, server: client}
            while min(left.values()) > 0:
                for end in select.select([client, server], [], [])[0]:
                    data = end.recv(2048)
                    left[end] -= len(data) if data else float("inf")
                    other[end].sendall(data)


@pytest.fixture
def relay(fake_bedrock: FakeBedrock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Relay]:
    """Stands before a FakeBedrock of its own, in place of the one that managers meet otherwise."""

    def answer(call: Call) -> str:
        return LONG_TEXT if call.operation == "ConverseStream" else "Paris"

    with FakeBedrock(responder=answer) as bedrock:
        relay = Relay(urlsplit(bedrock.https_endpoint_url).port or 0)
        for name, value in bedrock.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", relay.url)
        monkeypatch.setenv("AWS_CA_BUNDLE", str(bedrock.certificate))
        yield relay
        relay.stop()


@pytest.mark.parametrize(
    "end",
    [(0, 0), (100, 10_000), (10_000, 100), (1_000, 10_000)],
    ids=["accept", "hello", "reply", "request"],
)
def test_a_connection_that_ends_before_the_answer_is_tried_again(
    relay: Relay, make_manager, ask, end
) -> None:
    relay.ends = [end, end]
    response = make_manager(regions=("us-east-1",)).converse(ask)
    assert response.get_content() == "Paris"
    assert [attempt.decision for attempt in response.attempts] == ["same_target", "same_target", None]


def test_a_stream_whose_connection_ends_continues_elsewhere(relay: Relay, make_manager, ask) -> None:
    relay.ends = [(float("inf"), 60_000)]
    stream = make_manager().converse_stream(ask)
    text = "".join(stream)
    assert stream.success
    assert text.startswith(LONG_TEXT[:1000])
    assert [attempt.success for attempt in stream.get_response().attempts] == [False, True]


def test_a_certificate_that_cannot_be_verified_is_configuration_with_its_attempt(
    relay: Relay, make_manager, make_parallel, ask, monkeypatch
) -> None:
    monkeypatch.delenv("AWS_CA_BUNDLE")
    with pytest.raises(ConfigurationError, match="CERTIFICATE_VERIFY_FAILED") as raised:
        make_manager().converse(ask)
    assert raised.value.response is not None
    assert len(raised.value.response.attempts) == 1
    result = make_parallel().converse_parallel([BedrockConverseRequest(request_id="a", messages=ask)])
    assert isinstance(result.request_responses["a"].get_last_error(), ConfigurationError)
    assert len(result.request_responses["a"].attempts) == 1


def test_a_file_of_certificates_that_is_not_there_is_configuration(
    relay: Relay, make_manager, ask, monkeypatch
) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", "/nowhere/to/be/found.pem")
    with pytest.raises(ConfigurationError, match="No such file"):
        make_manager().converse(ask)
