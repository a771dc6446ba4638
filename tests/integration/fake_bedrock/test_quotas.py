"""Quotas: tokens are reserved at the start of a call, settled at its end, and expire after the window."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from llmmanager.testing import FakeBedrock, FakeCatalog, Fault
from tests.clock import ManualClock
from tests.waiting import PATIENCE_SECONDS


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def bedrock(catalog: FakeCatalog, clock: ManualClock) -> Iterator[FakeBedrock]:
    with FakeBedrock(catalog, clock=clock, responder=lambda call: "x" * 40) as fake:
        yield fake


# A prompt of 10 tokens and an answer of 10 tokens. The burndown rate of `acme.talk` is 5.
PROMPT = "y" * 40
USED = 10 + 5 * 10
TOO_MANY_TOKENS = (
    "ThrottlingException",
    429,
    "Too many tokens, please wait before trying again.",
)


def test_max_tokens_is_reserved_when_the_call_starts(
    bedrock: FakeBedrock, send_prompt: Any, error_of: Any
) -> None:
    bedrock.set_quota(tokens_per_minute=100)
    assert error_of(send_prompt, PROMPT, inferenceConfig={"maxTokens": 91}) == TOO_MANY_TOKENS
    send_prompt(PROMPT, inferenceConfig={"maxTokens": 90})


def test_without_max_tokens_the_models_maximum_is_reserved(
    bedrock: FakeBedrock, send_prompt: Any, error_of: Any
) -> None:
    bedrock.set_quota(tokens_per_minute=1009)
    assert error_of(send_prompt, PROMPT) == TOO_MANY_TOKENS
    bedrock.set_quota(tokens_per_minute=1010)
    send_prompt(PROMPT)


def test_an_ended_call_uses_its_tokens_times_the_burndown(
    bedrock: FakeBedrock, send_prompt: Any, error_of: Any
) -> None:
    bedrock.set_quota(tokens_per_minute=2 * USED + 20)
    send_prompt(PROMPT, inferenceConfig={"maxTokens": 10})
    send_prompt(PROMPT, inferenceConfig={"maxTokens": 10})
    send_prompt(PROMPT, inferenceConfig={"maxTokens": 10})
    assert error_of(send_prompt, PROMPT, inferenceConfig={"maxTokens": 10}) == TOO_MANY_TOKENS


def test_reserved_tokens_count_while_the_call_runs(catalog: FakeCatalog, error_of: Any) -> None:
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
        assert error_of(client.converse, **request) == TOO_MANY_TOKENS
        go_on.set()
        first.join()
        client.converse(**request)


def test_a_quota_is_available_again_after_its_window(
    bedrock: FakeBedrock, send_prompt: Any, error_of: Any, clock: ManualClock
) -> None:
    bedrock.set_quota(tokens_per_minute=100)
    send_prompt(PROMPT, inferenceConfig={"maxTokens": 50})
    assert error_of(send_prompt, PROMPT, inferenceConfig={"maxTokens": 50}) == TOO_MANY_TOKENS
    clock.now += 59
    assert error_of(send_prompt, PROMPT, inferenceConfig={"maxTokens": 50}) == TOO_MANY_TOKENS
    clock.now += 1
    send_prompt(PROMPT, inferenceConfig={"maxTokens": 50})


def test_the_quota_window_can_be_shortened(catalog: FakeCatalog, clock: ManualClock, error_of: Any) -> None:
    with FakeBedrock(catalog, clock=clock, window_seconds=0.5) as bedrock:
        bedrock.set_quota(requests_per_minute=1)
        client = bedrock.client()
        request: Any = {
            "modelId": "acme.talk-v1:0",
            "messages": [{"role": "user", "content": [{"text": "Hi"}]}],
        }
        client.converse(**request)
        error_of(client.converse, **request)
        clock.now += 0.5
        client.converse(**request)


def test_each_model_region_and_access_method_has_its_own_quota(
    bedrock: FakeBedrock, send_prompt: Any, error_of: Any
) -> None:
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
        send_prompt(modelId=model, region=region)
    for model, region in ways:
        assert error_of(send_prompt, modelId=model, region=region) == (
            "ThrottlingException",
            429,
            "Too many requests, please wait before trying again.",
        )


def test_a_quota_applies_to_its_scope_and_the_last_one_wins(
    bedrock: FakeBedrock, send_prompt: Any, error_of: Any
) -> None:
    bedrock.set_quota(requests_per_minute=1)
    bedrock.set_quota(requests_per_minute=0, region="us-west-2")
    bedrock.set_quota(tokens_per_minute=5, access="geo")
    send_prompt(PROMPT)
    assert "Too many requests" in error_of(send_prompt, PROMPT, region="us-west-2")[2]
    assert error_of(send_prompt, PROMPT, modelId="us.acme.talk-v1:0") == TOO_MANY_TOKENS


def test_a_daily_quota_is_counted_separately(
    bedrock: FakeBedrock, send_prompt: Any, error_of: Any, clock: ManualClock
) -> None:
    bedrock.set_quota(tokens_per_day=100)
    send_prompt(PROMPT, inferenceConfig={"maxTokens": 50})
    clock.now += 3600
    assert error_of(send_prompt, PROMPT, inferenceConfig={"maxTokens": 50}) == (
        "ThrottlingException",
        429,
        "Too many tokens per day, please wait before trying again.",
    )
    clock.now += 24 * 3600
    send_prompt(PROMPT, inferenceConfig={"maxTokens": 50})


def test_a_rejected_call_uses_no_quota(bedrock: FakeBedrock, send_prompt: Any, error_of: Any) -> None:
    bedrock.set_quota(requests_per_minute=1)
    bedrock.add_fault(Fault(error="ServiceUnavailableException", count=1))
    error_of(send_prompt, PROMPT)
    error_of(send_prompt, PROMPT, inferenceConfig={"maxTokens": 1001})
    send_prompt(PROMPT)


def test_calls_before_the_first_quota_do_not_count(
    bedrock: FakeBedrock, send_prompt: Any, error_of: Any
) -> None:
    send_prompt(PROMPT)
    bedrock.set_quota(tokens_per_minute=100, tokens_per_day=100)
    send_prompt(PROMPT, inferenceConfig={"maxTokens": 90})
    assert error_of(send_prompt, PROMPT, inferenceConfig={"maxTokens": 90})[1] == 429


def test_a_call_longer_than_the_window_is_settled_in_its_day(
    catalog: FakeCatalog, clock: ManualClock, error_of: Any
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
        assert "per day" in error_of(client.converse, **request)[2]


def test_quotas_can_be_removed(bedrock: FakeBedrock, send_prompt: Any, error_of: Any) -> None:
    bedrock.set_quota(requests_per_minute=0)
    error_of(send_prompt)
    bedrock.clear_quotas()
    send_prompt()


def test_streams_are_throttled_before_they_start(bedrock: FakeBedrock, client: Any, error_of: Any) -> None:
    bedrock.set_quota(requests_per_minute=0)
    error = error_of(
        client.converse_stream,
        modelId="acme.talk-v1:0",
        messages=[{"role": "user", "content": [{"text": "Hi"}]}],
    )
    assert error[:2] == ("ThrottlingException", 429)


@pytest.mark.parametrize("limits", [{"tokens_per_minute": -1}, {"requests_per_minute": "many"}])
def test_an_invalid_quota_is_rejected_by_field(bedrock: FakeBedrock, limits: Any) -> None:
    with pytest.raises(ValueError, match=next(iter(limits))):
        bedrock.set_quota(**limits)
