"""Quotas: what is reserved at the start, settled at the end, and forgotten a minute later."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from llmmanager.testing import FakeBedrock, FakeCatalog, Fault
from tests.waiting import PATIENCE_SECONDS


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def bedrock(catalog: FakeCatalog, clock: Clock) -> Iterator[FakeBedrock]:
    with FakeBedrock(catalog, clock=clock, responder=lambda call: "x" * 40) as fake:
        yield fake


# A prompt of 10 tokens; the responder's answer is one of 10, and `acme.talk` burns 5 a token.
PROMPT = "y" * 40
USED = 10 + 5 * 10
TOO_MANY_TOKENS = (
    "ThrottlingException",
    429,
    "Too many tokens, please wait before trying again.",
)


def test_max_tokens_is_reserved_when_the_call_starts(bedrock: FakeBedrock, ask: Any, refusal: Any) -> None:
    bedrock.set_quota(tokens_per_minute=100)
    assert refusal(ask, PROMPT, inferenceConfig={"maxTokens": 91}) == TOO_MANY_TOKENS
    ask(PROMPT, inferenceConfig={"maxTokens": 90})


def test_without_max_tokens_the_models_maximum_is_reserved(
    bedrock: FakeBedrock, ask: Any, refusal: Any
) -> None:
    bedrock.set_quota(tokens_per_minute=1009)
    assert refusal(ask, PROMPT) == TOO_MANY_TOKENS
    bedrock.set_quota(tokens_per_minute=1010)
    ask(PROMPT)


def test_a_call_that_ended_costs_what_it_used_with_burndown(
    bedrock: FakeBedrock, ask: Any, refusal: Any
) -> None:
    bedrock.set_quota(tokens_per_minute=2 * USED + 20)
    ask(PROMPT, inferenceConfig={"maxTokens": 10})
    ask(PROMPT, inferenceConfig={"maxTokens": 10})
    ask(PROMPT, inferenceConfig={"maxTokens": 10})
    assert refusal(ask, PROMPT, inferenceConfig={"maxTokens": 10}) == TOO_MANY_TOKENS


def test_what_is_reserved_counts_while_the_call_runs(catalog: FakeCatalog, refusal: Any) -> None:
    admitted, go_on = threading.Event(), threading.Event()

    def wait(call: Any) -> str:
        admitted.set()
        assert go_on.wait(PATIENCE_SECONDS)
        return "done"

    with FakeBedrock(catalog, responder=wait) as bedrock:
        bedrock.set_quota(tokens_per_minute=1500)
        client = bedrock.client()
        request: Any = {
            "modelId": "acme.talk-v1:0",
            "messages": [{"role": "user", "content": [{"text": PROMPT}]}],
        }
        first = threading.Thread(target=client.converse, kwargs=request)
        first.start()
        assert admitted.wait(PATIENCE_SECONDS)
        assert refusal(client.converse, **request) == TOO_MANY_TOKENS
        go_on.set()
        first.join()
        client.converse(**request)


def test_a_minute_later_there_is_room_again(
    bedrock: FakeBedrock, ask: Any, refusal: Any, clock: Clock
) -> None:
    bedrock.set_quota(tokens_per_minute=100)
    ask(PROMPT, inferenceConfig={"maxTokens": 50})
    assert refusal(ask, PROMPT, inferenceConfig={"maxTokens": 50}) == TOO_MANY_TOKENS
    clock.now += 59
    assert refusal(ask, PROMPT, inferenceConfig={"maxTokens": 50}) == TOO_MANY_TOKENS
    clock.now += 1
    ask(PROMPT, inferenceConfig={"maxTokens": 50})


def test_the_minute_can_be_shortened(catalog: FakeCatalog, clock: Clock, refusal: Any) -> None:
    with FakeBedrock(catalog, clock=clock, window_seconds=0.5) as bedrock:
        bedrock.set_quota(requests_per_minute=1)
        client = bedrock.client()
        request: Any = {
            "modelId": "acme.talk-v1:0",
            "messages": [{"role": "user", "content": [{"text": "Hi"}]}],
        }
        client.converse(**request)
        refusal(client.converse, **request)
        clock.now += 0.5
        client.converse(**request)


def test_each_model_region_and_way_in_has_its_own_quota(bedrock: FakeBedrock, ask: Any, refusal: Any) -> None:
    bedrock.set_quota(requests_per_minute=1)
    ways = [
        ("acme.talk-v1:0", "us-east-1"),
        ("acme.talk-v1:0", "us-west-2"),
        ("us.acme.talk-v1:0", "us-east-1"),
        ("us.acme.talk-v1:0", "us-west-2"),
        ("global.acme.talk-v1:0", "us-east-1"),
        ("acme.plain", "us-east-1"),
    ]
    for model, region in ways:
        ask(modelId=model, region=region)
    for model, region in ways:
        assert refusal(ask, modelId=model, region=region) == (
            "ThrottlingException",
            429,
            "Too many requests, please wait before trying again.",
        )


def test_a_quota_holds_in_its_scope_and_the_last_one_wins(
    bedrock: FakeBedrock, ask: Any, refusal: Any
) -> None:
    bedrock.set_quota(requests_per_minute=1)
    bedrock.set_quota(requests_per_minute=0, region="us-west-2")
    bedrock.set_quota(tokens_per_minute=5, access="geo")
    ask(PROMPT)
    assert "Too many requests" in refusal(ask, PROMPT, region="us-west-2")[2]
    assert refusal(ask, PROMPT, modelId="us.acme.talk-v1:0") == TOO_MANY_TOKENS


def test_the_day_has_a_quota_of_its_own(bedrock: FakeBedrock, ask: Any, refusal: Any, clock: Clock) -> None:
    bedrock.set_quota(tokens_per_day=100)
    ask(PROMPT, inferenceConfig={"maxTokens": 50})
    clock.now += 3600
    assert refusal(ask, PROMPT, inferenceConfig={"maxTokens": 50}) == (
        "ThrottlingException",
        429,
        "Too many tokens per day, please wait before trying again.",
    )
    clock.now += 24 * 3600
    ask(PROMPT, inferenceConfig={"maxTokens": 50})


def test_a_call_that_was_refused_takes_nothing(bedrock: FakeBedrock, ask: Any, refusal: Any) -> None:
    bedrock.set_quota(requests_per_minute=1)
    bedrock.add_fault(Fault(error="ServiceUnavailableException", count=1))
    refusal(ask, PROMPT)
    refusal(ask, PROMPT, inferenceConfig={"maxTokens": 1001})
    ask(PROMPT)


def test_calls_before_the_first_quota_do_not_count(bedrock: FakeBedrock, ask: Any, refusal: Any) -> None:
    ask(PROMPT)
    bedrock.set_quota(tokens_per_minute=100, tokens_per_day=100)
    ask(PROMPT, inferenceConfig={"maxTokens": 90})
    assert refusal(ask, PROMPT, inferenceConfig={"maxTokens": 90})[1] == 429


def test_a_call_longer_than_the_minute_is_still_settled_on_its_day(
    catalog: FakeCatalog, clock: Clock, refusal: Any
) -> None:
    def slow(call: Any) -> str:
        clock.now += 90
        return "x" * 40

    with FakeBedrock(catalog, clock=clock, responder=slow) as bedrock:
        bedrock.set_quota(tokens_per_day=100 + USED)
        client = bedrock.client()
        request: Any = {
            "modelId": "acme.talk-v1:0",
            "messages": [{"role": "user", "content": [{"text": PROMPT}]}],
            "inferenceConfig": {"maxTokens": 90},
        }
        client.converse(**request)
        client.converse(**request)
        assert "per day" in refusal(client.converse, **request)[2]


def test_quotas_can_be_dropped(bedrock: FakeBedrock, ask: Any, refusal: Any) -> None:
    bedrock.set_quota(requests_per_minute=0)
    refusal(ask)
    bedrock.clear_quotas()
    ask()


def test_streams_are_throttled_before_they_begin(bedrock: FakeBedrock, client: Any, refusal: Any) -> None:
    bedrock.set_quota(requests_per_minute=0)
    refused = refusal(
        client.converse_stream,
        modelId="acme.talk-v1:0",
        messages=[{"role": "user", "content": [{"text": "Hi"}]}],
    )
    assert refused[:2] == ("ThrottlingException", 429)


@pytest.mark.parametrize("limits", [{"tokens_per_minute": -1}, {"requests_per_minute": "many"}])
def test_a_quota_that_makes_no_sense_is_refused_by_name(bedrock: FakeBedrock, limits: Any) -> None:
    with pytest.raises(ValueError, match=next(iter(limits))):
        bedrock.set_quota(**limits)
