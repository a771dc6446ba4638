"""What must hold for every client: streams, failures and keys."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from llmmanager.testing import FakeBedrock, Fault
from tests.clients.client_adapters import CLIENTS, Client, error_name, status_of
from tests.clients.keys import UNKNOWN_KEY, create_key, revoke_key
from tests.clients.served_api import ServedApi
from tests.waiting import wait_until

PROMPT = "Tell me about bees"
Connect = Callable[..., Client]


@pytest.fixture(params=CLIENTS, ids=lambda client: client.__name__)
def connect(request: pytest.FixtureRequest, api: ServedApi, key: str) -> Connect:
    """Return a function that creates one of the clients."""

    def new(**options: object) -> Client:
        return request.param(**{"url": api.url, "key": key, **options})

    return new


def test_a_streamed_answer_arrives_in_pieces_and_is_the_whole_answer(connect: Connect) -> None:
    pieces = list(connect().stream(PROMPT))
    assert len(pieces) > 10
    assert "".join(pieces) == connect().ask(PROMPT)


@pytest.mark.parametrize("count", [1, 7])
def test_a_piece_arrives_before_the_model_generates_the_next_one(
    connect: Connect, failing: FakeBedrock, count: int
) -> None:
    failing.add_fault(Fault(hang=True, after_chunks=count))
    stream = connect().stream(PROMPT)
    assert all(next(stream) for _ in range(count))
    assert failing.calls[0].in_flight
    stream.close()


def test_a_client_that_closes_a_stream_ends_the_answer_of_the_model(
    connect: Connect, failing: FakeBedrock
) -> None:
    failing.set_latency(0, per_chunk=0.2)
    stream = connect().stream(PROMPT)
    next(stream)
    stream.close()
    wait_until(lambda: not failing.calls[0].in_flight, "the end of the answer")
    assert failing.calls[0].error_code == "disconnected"


def test_a_stream_whose_region_fails_midway_is_one_complete_stream(
    connect: Connect, failing: FakeBedrock
) -> None:
    fault = Fault(error="modelStreamErrorException", region="us-east-1", after_chunks=5, count=1)
    failing.add_fault(fault)
    pieces = list(connect().stream(PROMPT))
    assert [call.region for call in failing.calls] == ["us-east-1", "us-west-2"]
    failing.reset()
    assert "".join(pieces) == connect().ask(PROMPT)


def test_a_stream_that_is_lost_raises_an_error_after_its_text(connect: Connect, failing: FakeBedrock) -> None:
    failing.add_fault(Fault(error="modelStreamErrorException", after_chunks=5))
    stream = connect().stream(PROMPT)
    pieces = [next(stream) for _ in range(5)]
    with pytest.raises(Exception, match="incomplete") as caught:
        pieces += stream
    assert error_name(caught.value) in ("APIError", "APIStatusError", "ResponseFailed")


def test_a_region_that_fails_before_the_answer_is_replaced(connect: Connect, failing: FakeBedrock) -> None:
    failing.add_fault(Fault(error="ServiceUnavailableException", region="us-east-1"))
    assert connect().ask(PROMPT) == "".join(connect().stream(PROMPT))


@pytest.mark.parametrize("streamed", [False, True])
def test_throttled_models_are_a_rate_limit_error(
    connect: Connect, failing: FakeBedrock, streamed: bool
) -> None:
    failing.add_fault(Fault(error="ThrottlingException"))
    with pytest.raises(Exception, match="throttled") as caught:
        list(connect().stream(PROMPT)) if streamed else connect().ask(PROMPT)
    assert (error_name(caught.value), status_of(caught.value)) == ("RateLimitError", 429)


def test_an_unknown_model_is_not_found(connect: Connect) -> None:
    with pytest.raises(Exception, match="gpt-4o") as caught:
        connect(model="gpt-4o").ask(PROMPT)
    assert (error_name(caught.value), status_of(caught.value)) == ("NotFoundError", 404)


def test_only_a_valid_key_is_accepted(connect: Connect, bedrock: FakeBedrock) -> None:
    for key in ("not-a-key", UNKNOWN_KEY, revoke_key(create_key())):
        with pytest.raises(Exception, match="The API key is missing, invalid, expired or revoked") as caught:
            connect(key=key).ask(PROMPT)
        assert (error_name(caught.value), status_of(caught.value)) == ("AuthenticationError", 401)
    assert not bedrock.calls
    assert connect(key=create_key()).ask(PROMPT)


def test_a_key_only_allows_its_models(connect: Connect, bedrock: FakeBedrock) -> None:
    key = create_key(models=["Nova Micro"])
    assert connect(key=key, model="Nova Micro").ask(PROMPT)
    with pytest.raises(Exception, match="Nova Lite") as caught:
        connect(key=key).ask(PROMPT)
    assert error_name(caught.value) == "NotFoundError"
    assert {call.model_id for call in bedrock.calls} == {"amazon.nova-micro-v1:0"}
