"""Quotas that Service Quotas lists, from the refresh to the calls that keep within them, over the wire."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from llmmanager import (
    BedrockConverseRequest,
    LLMManager,
    ModelQuota,
    ParallelLLMManager,
    ParallelProcessingConfig,
    QuotaExceededError,
    RequestValidationError,
    RetryExhaustedError,
    UnifiedModelManager,
)
from llmmanager.bedrock.catalog.stores import MemoryStore
from llmmanager.bedrock.invocation import known_quotas
from llmmanager.testing import FakeBedrock, Fault

EAST, WEST = "us-east-1", "us-west-2"
LITE, MICRO = "amazon.nova-lite-v1:0", "amazon.nova-micro-v1:0"

MakeCatalog = Callable[..., UnifiedModelManager]


@pytest.fixture
def under_quota(fake_bedrock: FakeBedrock, monkeypatch: pytest.MonkeyPatch) -> FakeBedrock:
    """A FakeBedrock whose minute takes half a second."""
    fake_bedrock.set_window(0.5)
    monkeypatch.setenv("LLMMANAGER_QUOTA_WINDOW_SECONDS", "0.5")
    return fake_bedrock


@pytest.fixture
def whole_minute(fake_bedrock: FakeBedrock, monkeypatch: pytest.MonkeyPatch) -> FakeBedrock:
    """A FakeBedrock whose minute takes four: no quota is free again during a test."""
    monkeypatch.setenv("LLMMANAGER_QUOTA_WINDOW_SECONDS", "240")
    return fake_bedrock


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def make_catalog(fake_bedrock: FakeBedrock, store: MemoryStore) -> MakeCatalog:
    """Make the catalog of one process. All of them have one store."""

    def make(*, refresh: bool = False) -> UnifiedModelManager:
        catalog = UnifiedModelManager(
            regions=[EAST, WEST],
            store=store,
            client_factory=lambda service, region: fake_bedrock.client(service, region=region),
            ask_api=False,
        )
        if refresh:
            catalog.refresh_unified_data()
        return catalog

    return make


def requests(count: int) -> list[BedrockConverseRequest]:
    return [
        BedrockConverseRequest(
            messages=[{"role": "user", "content": [{"text": f"What is lake {number}?"}]}],
            inference_config={"maxTokens": 100},
        )
        for number in range(count)
    ]


def sent(bedrock: FakeBedrock) -> list[Any]:
    return [call for call in bedrock.calls if call.operation == "Converse"]


@pytest.mark.parametrize("region_count", [1, 2])
def test_calls_keep_within_a_listed_quota_from_the_first_one_on(
    under_quota: FakeBedrock, make_catalog: MakeCatalog, region_count: int
) -> None:
    under_quota.set_quota(tokens_per_minute=1_500)
    make_catalog(refresh=True)
    manager = ParallelLLMManager(
        ["Nova Lite"],
        [EAST, WEST][:region_count],
        parallel_config=ParallelProcessingConfig(max_concurrent_requests=16),
        unified_model_manager=make_catalog(),
    )
    result = manager.converse_parallel(requests(100), target_regions_per_request=region_count)
    assert result.get_success_rate() == 1.0
    # A call that a busy machine delays counts in the next window. Without the listed quota, 27 and more fail.
    assert len(sent(under_quota)) <= 105
    manager.close()


def test_the_quotas_of_the_caller_win(whole_minute: FakeBedrock, make_catalog: MakeCatalog, ask: Any) -> None:
    whole_minute.set_quota(requests_per_minute=100, tokens_per_minute=50_000)
    own = [ModelQuota("Nova Lite", requests_per_minute=1, access_method="on_demand")]
    manager = LLMManager(["Nova Lite"], [EAST], unified_model_manager=make_catalog(refresh=True), quotas=own)
    for _ in range(3):
        manager.converse(ask)
    assert [call.access_method for call in sent(whole_minute)] == ["on_demand", "geo", "geo"]
    # The amount that the caller does not give is the catalog's.
    with pytest.raises(RequestValidationError, match="50,000 tokens per minute"):
        manager.converse(ask, inference_config={"maxTokens": 60_000})


def test_requests_that_are_listed_and_not_enforced_are_exceeded(
    whole_minute: FakeBedrock, make_catalog: MakeCatalog
) -> None:
    whole_minute.set_quota(requests_per_minute=5)
    catalog = make_catalog(refresh=True)
    whole_minute.clear_quotas()
    manager = ParallelLLMManager(
        ["Nova Lite"],
        [EAST],
        parallel_config=ParallelProcessingConfig(max_concurrent_requests=4, request_timeout_seconds=30),
        unified_model_manager=catalog,
    )
    assert manager.converse_parallel(requests(200), target_regions_per_request=1).success
    manager.close()


def test_a_manager_follows_its_own_refresh(whole_minute: FakeBedrock, ask: Any) -> None:
    whole_minute.set_quota(tokens_per_minute=6_000)
    manager = LLMManager([MICRO], [EAST])
    manager.refresh_model_data()
    request = {"maxTokens": 5_900}
    manager.converse(ask, inference_config=request)
    whole_minute.set_quota(tokens_per_minute=4_000)
    manager.refresh_model_data()
    with pytest.raises(RequestValidationError):
        manager.converse(ask, inference_config=request)
    whole_minute.set_quota(tokens_per_minute=7_000)
    manager.refresh_model_data()
    manager.converse(ask, inference_config=request)


def test_a_call_that_would_wait_reads_the_store_of_another_process_refresh(
    whole_minute: FakeBedrock, make_catalog: MakeCatalog, ask: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole_minute.set_quota(tokens_per_minute=1_000)
    make_catalog(refresh=True)
    manager = LLMManager(["Nova Lite"], [EAST], unified_model_manager=make_catalog())
    request = {"maxTokens": 2_000}
    with pytest.raises(RequestValidationError):
        manager.converse(ask, inference_config=request)
    whole_minute.set_quota(tokens_per_minute=3_000)
    make_catalog(refresh=True)
    # The store is not read again for each call,
    with pytest.raises(RequestValidationError):
        manager.converse(ask, inference_config=request)
    # but after some minutes.
    monkeypatch.setattr(known_quotas, "FOLLOW_INTERVAL_SECONDS", 0.0)
    manager._resources.quotas.source._follow_at = 0.0  # type: ignore[attr-defined]
    assert manager.converse(ask, inference_config=request).success


def test_calls_that_need_not_wait_do_not_read_the_store(
    fake_bedrock: FakeBedrock, make_catalog: MakeCatalog, ask: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_bedrock.set_quota(tokens_per_minute=100_000)
    manager = LLMManager(["Nova Lite"], [EAST], unified_model_manager=make_catalog(refresh=True))
    monkeypatch.setattr(MemoryStore, "load_all", lambda *_: pytest.fail("the store was read"))
    for _ in range(3):
        assert manager.converse(ask).success


def test_a_request_larger_than_the_quota_of_a_target_goes_to_another(
    whole_minute: FakeBedrock, make_catalog: MakeCatalog, ask: Any
) -> None:
    whole_minute.set_quota(tokens_per_minute=4_000, region=EAST)
    whole_minute.set_quota(tokens_per_minute=15_000, region=WEST, access="geo")
    whole_minute.set_quota(tokens_per_minute=4_000, region=WEST, access="on_demand")
    catalog = make_catalog(refresh=True)
    manager = LLMManager(["Nova Lite"], [EAST, WEST], unified_model_manager=catalog)
    response = manager.converse(ask)  # without maxTokens, the model's maximum of 5,000 is reserved
    assert (response.region_used, response.access_method) == (WEST, "geographic_profile")
    assert len(sent(whole_minute)) == 1
    assert manager.converse(ask, inference_config={"maxTokens": 100}).region_used == EAST


def test_a_request_larger_than_every_quota_fails_at_once_and_names_max_tokens(
    whole_minute: FakeBedrock, ask: Any
) -> None:
    quotas = [
        ModelQuota("Nova Lite", tokens_per_minute=2_000),
        ModelQuota("Nova Lite", tokens_per_minute=4_000, region=WEST, access_method="on_demand"),
    ]
    manager = LLMManager(["Nova Lite"], [EAST, WEST], quotas=quotas)
    with pytest.raises(RequestValidationError) as raised:
        manager.converse(ask)
    assert raised.value.invalid_fields == ["inferenceConfig.maxTokens"]
    (problem,) = raised.value.validation_errors
    for fact in (
        "the maximum output of 5,000",
        "4,000 tokens per minute",
        "Nova Lite in us-west-2 (on_demand)",
    ):
        assert fact in problem
    assert "; set maxTokens" in problem
    with pytest.raises(RequestValidationError, match="set a lower maxTokens"):
        manager.converse_stream(ask, inference_config={"maxTokens": 4_500})
    assert whole_minute.calls == ()
    assert manager.converse(ask, inference_config={"maxTokens": 1_000}).success


def test_in_a_parallel_run_only_the_request_that_is_too_large_fails(whole_minute: FakeBedrock) -> None:
    manager = ParallelLLMManager(
        ["Nova Lite"], [EAST], quotas=[ModelQuota("Nova Lite", tokens_per_minute=4_000)]
    )
    small, large = requests(2)
    large = replace(large, inference_config={"maxTokens": 5_000})
    result = manager.converse_parallel([small, large], target_regions_per_request=1)
    answered, failed = result.request_responses.values()
    assert answered.success
    assert isinstance(failed.error, RequestValidationError)
    manager.close()


def test_after_failed_attempts_the_error_says_that_the_other_targets_are_too_small(
    whole_minute: FakeBedrock, make_manager: Any, ask: Any
) -> None:
    whole_minute.add_fault(Fault(region=EAST, error="AccessDeniedException"))
    manager = make_manager(quotas=[ModelQuota("Nova Lite", tokens_per_minute=1_000, region=WEST)])
    with pytest.raises(RetryExhaustedError, match="reserves more tokens than the quotas") as raised:
        manager.converse(ask)
    assert {call.region for call in whole_minute.calls} == {EAST}
    assert not isinstance(raised.value, QuotaExceededError)


def test_a_share_or_a_reserve_of_a_quota_does_not_make_a_request_too_large(
    whole_minute: FakeBedrock, ask: Any
) -> None:
    quotas = [ModelQuota("Nova Lite", tokens_per_minute=6_000)]
    manager = LLMManager(["Nova Lite"], [EAST], quotas=quotas, quota_share=0.1, quota_reserve=0.5)
    assert manager.converse(ask).success


def test_an_estimated_quota_does_not_stop_a_single_large_request(under_quota: FakeBedrock, ask: Any) -> None:
    under_quota.set_quota(tokens_per_minute=1_500)
    manager = ParallelLLMManager(
        ["Nova Lite"], [EAST], parallel_config=ParallelProcessingConfig(max_concurrent_requests=16)
    )
    assert manager.converse_parallel(requests(60), target_regions_per_request=1).success
    under_quota.clear_quotas()
    # It reserves 5,000 tokens, more than the estimated quota.
    large = BedrockConverseRequest(messages=ask)
    (response,) = manager.converse_parallel([large], target_regions_per_request=1).request_responses.values()
    assert response.success
    assert len(response.attempts) == 1
    manager.close()


def test_a_target_that_is_too_small_does_not_end_a_call_that_another_throttled(
    whole_minute: FakeBedrock, make_manager: Any, ask: Any
) -> None:
    quotas = [ModelQuota("Nova Lite", tokens_per_minute=1_000, region=WEST)]
    whole_minute.add_fault(Fault(region=EAST, error="ServiceUnavailableException", count=1))
    response = make_manager(quotas=quotas).converse(ask)
    assert [(attempt.region, attempt.success) for attempt in response.attempts] == [
        (EAST, False),
        (EAST, True),
    ]
