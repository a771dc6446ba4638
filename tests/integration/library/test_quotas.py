"""Calls under a quota, over the wire: all are answered, with few calls more than answers."""

from __future__ import annotations

import math
import threading
from typing import Any

import pytest

from llmmanager import (
    BedrockConverseRequest,
    ConfigurationError,
    LLMManager,
    ModelQuota,
    ParallelLLMManager,
    ParallelProcessingConfig,
    QuotaExceededError,
    RetryConfig,
    RetryExhaustedError,
)
from llmmanager.testing import FakeBedrock, Fault
from tests.waiting import wait_until

EAST, WEST = "us-east-1", "us-west-2"
LITE, MICRO = "amazon.nova-lite-v1:0", "amazon.nova-micro-v1:0"


@pytest.fixture
def under_quota(fake_bedrock: FakeBedrock, monkeypatch: pytest.MonkeyPatch) -> FakeBedrock:
    """A FakeBedrock whose minute takes half a second."""
    fake_bedrock.set_window(0.5)
    monkeypatch.setenv("LLMMANAGER_QUOTA_WINDOW_SECONDS", "0.5")
    return fake_bedrock


def requests(count: int) -> list[BedrockConverseRequest]:
    return [
        BedrockConverseRequest(
            messages=[{"role": "user", "content": [{"text": f"What is lake {number}?"}]}],
            inference_config={"maxTokens": 100},
        )
        for number in range(count)
    ]


def parallel(**arguments: Any) -> ParallelLLMManager:
    config = ParallelProcessingConfig(max_concurrent_requests=16)
    return ParallelLLMManager(["Nova Lite"], [EAST], parallel_config=config, **arguments)


def test_every_request_of_a_run_is_answered_under_an_unknown_quota(under_quota: FakeBedrock) -> None:
    under_quota.set_quota(tokens_per_minute=1500)
    with_quota = parallel()
    result = with_quota.converse_parallel(requests(100), target_regions_per_request=1)
    assert result.success
    assert result.get_success_rate() == 1.0
    assert len(under_quota.calls) < 200
    with_quota.close()


def test_calls_keep_within_a_known_quota_from_the_first_one_on(under_quota: FakeBedrock) -> None:
    under_quota.set_quota(requests_per_minute=20)
    quota = ModelQuota("Nova Lite", requests_per_minute=20)
    manager = parallel(quotas=[quota], quota_share=0.5)
    assert manager.converse_parallel(requests(60), target_regions_per_request=1).success
    assert len(under_quota.calls) == 60
    manager.close()


def test_a_reserve_is_left_of_a_known_quota(under_quota: FakeBedrock) -> None:
    under_quota.set_quota(requests_per_minute=15)
    quota = ModelQuota("Nova Lite", requests_per_minute=30)
    manager = parallel(quotas=[quota], quota_reserve=0.5)
    assert manager.converse_parallel(requests(60), target_regions_per_request=1).success
    assert len(under_quota.calls) == 60
    manager.close()


@pytest.mark.parametrize(("on_throttle", "models"), [("wait", {LITE}), ("failover", {LITE, MICRO})])
def test_throttled_calls_wait_for_their_model_or_use_another(
    under_quota: FakeBedrock, on_throttle: Any, models: set[str]
) -> None:
    under_quota.set_quota(requests_per_minute=20)
    manager = ParallelLLMManager(
        ["Nova Lite", "Nova Micro"],
        [EAST],
        retry_config=RetryConfig(on_throttle=on_throttle),
        parallel_config=ParallelProcessingConfig(max_concurrent_requests=16),
    )
    result = manager.converse_parallel(requests(100), target_regions_per_request=1)
    assert result.success
    assert {response.model_used for response in result.request_responses.values()} == models
    manager.close()


def test_managers_of_one_account_share_what_they_learn(
    fake_bedrock: FakeBedrock, ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLMMANAGER_QUOTA_WINDOW_SECONDS", "240")
    first = LLMManager(["Nova Lite"], [EAST], quotas=[ModelQuota(LITE, requests_per_minute=1)])
    second = LLMManager(["Nova Lite"], [EAST, WEST])
    methods = len(second.get_model_access_info("Nova Lite", EAST)["access_methods"])
    regions = [first.converse(ask).region_used for _ in range(methods)]
    assert regions == [EAST] * methods
    assert second.converse(ask).region_used == WEST


def test_managers_with_different_shares_of_a_quota_keep_within_their_own(
    fake_bedrock: FakeBedrock, ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLMMANAGER_QUOTA_WINDOW_SECONDS", "240")
    quotas = [ModelQuota(LITE, requests_per_minute=4, access_method="on_demand")]
    shares = [LLMManager(["Nova Lite"], [EAST], quotas=quotas, quota_share=share) for share in (0.25, 0.75)]
    for manager in shares * 3:
        manager.converse(ask)
    methods = [call.access_method for call in fake_bedrock.calls]
    assert methods[::2] == ["on_demand", "geo", "geo"]
    assert methods[1::2] == ["on_demand"] * 3


def test_a_call_whose_wait_would_be_too_long_fails_at_once_and_says_when_to_come_back(
    fake_bedrock: FakeBedrock, ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLMMANAGER_QUOTA_WINDOW_SECONDS", "240")
    manager = LLMManager(["Nova Lite"], [EAST], quotas=[ModelQuota("Nova Lite", requests_per_minute=1)])
    for _ in manager.get_model_access_info("Nova Lite", EAST)["access_methods"]:
        manager.converse(ask)
    before = len(fake_bedrock.calls)
    with pytest.raises(QuotaExceededError) as raised:
        manager.converse(ask, deadline=5)
    assert 200 < raised.value.retry_after <= 243
    assert raised.value.response is not None
    assert raised.value.response.get_last_error() is raised.value
    assert len(fake_bedrock.calls) == before


def test_throttled_attempts_of_a_run_do_not_use_up_its_retries(fake_bedrock: FakeBedrock) -> None:
    fake_bedrock.add_fault(Fault(error="ThrottlingException", count=12))
    manager = parallel(retry_config=RetryConfig(max_retries=0, retry_delay=0.001))
    assert manager.converse_parallel(requests(1), target_regions_per_request=1).success
    manager.close()


def test_a_run_that_is_stopped_keeps_its_answers_and_ends_what_waits(
    fake_bedrock: FakeBedrock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLMMANAGER_QUOTA_WINDOW_SECONDS", "60")
    manager = parallel(quotas=[ModelQuota("Nova Lite", requests_per_minute=4)])
    methods = len(
        manager.get_underlying_llm_manager().get_model_access_info("Nova Lite", EAST)["access_methods"]
    )
    stop = threading.Event()
    assert manager.seconds_without_quota() == 0
    responses = []
    for _, response in manager.iter_responses(requests(30), stop=stop):
        responses.append(response)
        if len(responses) == 4 * methods:
            wait_until(lambda: manager.seconds_without_quota() > 0)
            stop.set()
    answered = [response for response in responses if response.success]
    assert len(answered) == len(fake_bedrock.calls) == 4 * methods
    # No further request was read.
    assert len(responses) <= len(answered) + 16
    waited = [response for response in responses if not response.success]
    assert all(isinstance(response.error, QuotaExceededError) for response in waited)
    assert not any(response.attempts for response in waited)
    manager.close()


def test_throttled_attempts_of_a_single_call_do(fake_bedrock: FakeBedrock, make_manager, ask) -> None:
    fake_bedrock.add_fault(Fault(error="ThrottlingException", region=EAST, count=1))
    with pytest.raises(Exception, match="max_retries"):
        make_manager(regions=(EAST,), retry={"max_retries": 0}).converse(ask)


@pytest.mark.parametrize("regions", [(EAST,), (EAST, WEST)])
def test_single_calls_one_after_the_other_are_all_answered_under_an_unknown_quota(
    under_quota: FakeBedrock, make_manager, ask, regions
) -> None:
    under_quota.set_quota(requests_per_minute=5)
    manager = make_manager(regions=regions, retry={"retry_delay": 0.001})
    assert all(manager.converse(ask).success for _ in range(25))


def test_a_single_call_that_failed_for_another_reason_too_does_not_wait_for_quota(
    fake_bedrock: FakeBedrock, make_manager, ask
) -> None:
    manager = make_manager(regions=(EAST,), retry={"retry_delay": 0.001})
    manager.converse(ask)
    fake_bedrock.add_fault(Fault(error="InternalServerException", count=1))
    fake_bedrock.add_fault(Fault(error="ThrottlingException"))
    with pytest.raises(RetryExhaustedError, match=r"after 4 attempt\(s\)"):
        manager.converse(ask)


def test_the_tokens_of_a_stream_are_settled_at_its_end(under_quota: FakeBedrock, ask) -> None:
    quota = ModelQuota("Nova Lite", tokens_per_minute=6000)
    manager = LLMManager(["Nova Lite"], [EAST], quotas=[quota])
    # Without maxTokens 5,000 tokens are reserved: the next call fits only once the stream has settled.
    for _ in range(3):
        assert "".join(manager.converse_stream(ask))
    assert {call.access_method for call in under_quota.calls} == {"on_demand"}


@pytest.mark.parametrize(
    ("quota", "message"),
    [
        ({"model": "Nova Lite"}, "must set tokens_per_minute or requests_per_minute"),
        ({"model": "Nova Lite", "tokens_per_minute": 0}, "tokens_per_minute must be a number above 0"),
        ({"model": "Nova Lite", "requests_per_minute": math.inf}, "requests_per_minute must be a number"),
        ({"model": "Nova Lite", "tokens_per_minute": 10**400}, "tokens_per_minute must be a number"),
        (
            {"model": "Nova Lite", "tokens_per_minute": 9, "access_method": "on-demand"},
            "access_method must be one of 'on_demand', 'geographic_profile', 'global_profile' or None",
        ),
        ({"model": "Nova Lite", "tokens_per_minute": 9, "region": ["us-east-1"]}, "region must be a string"),
    ],
)
def test_a_quota_that_cannot_hold_is_rejected_by_its_field(quota: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        ModelQuota(**quota)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"quotas": "Nova Lite"}, "quotas must be a sequence of ModelQuota"),
        ({"quotas": ["Nova Lite"]}, "quotas must contain ModelQuota only"),
        ({"quota_share": 0}, "quota_share must be above 0 and at most 1"),
        ({"quota_reserve": 1}, "quota_reserve must be at least 0 and below 1"),
        ({"quotas": [ModelQuota("Nova Lide", requests_per_minute=1)]}, "Nova Lite"),
    ],
)
def test_an_invalid_quota_is_rejected(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        LLMManager(["Nova Lite"], [EAST], **arguments)
