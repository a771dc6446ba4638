"""For any models, regions, strategy and faults: what a call promises."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from llmmanager import LLMManager, RetryConfig, RetryExhaustedError, RetryStrategy
from llmmanager.bedrock.invocation import attempt_loop
from llmmanager.bedrock.routing.quota_gates import forget_gates
from llmmanager.testing import FakeBedrock, Fault

# Models that can be invoked by their own id in all of these regions.
MODELS = {
    "Nova Lite": "amazon.nova-lite-v1:0",
    "gpt-oss-20b": "openai.gpt-oss-20b-1:0",
    "Gemma 3 4B IT": "google.gemma-3-4b-it",
}
REGIONS = ["us-east-1", "us-west-2", "us-east-2"]
THROTTLED, NO_ACCESS, WRONG_MODEL = "throttled", "no access", "wrong model"
FAULTS = {
    THROTTLED: Fault(error="ThrottlingException", count=1),
    NO_ACCESS: Fault(error="AccessDeniedException", count=1),
    WRONG_MODEL: Fault(error="ValidationException", message="Input is too long", count=1),
}
Pair = tuple[str, str]


@pytest.fixture(scope="module")
def bedrock() -> Iterator[FakeBedrock]:
    before = dict(os.environ)
    with FakeBedrock() as fake:
        # A minute so short that no call waits for a quota: the order is that of the retries alone.
        os.environ.update(fake.environment, LLMMANAGER_QUOTA_WINDOW_SECONDS="0.000001")
        yield fake
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="module")
def sleeps() -> Iterator[list[float]]:
    """The seconds of each wait between attempts; none of them takes real time."""
    sleeps: list[float] = []
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(attempt_loop, "time", SimpleNamespace(sleep=sleeps.append))
        yield sleeps


def documented(order: list[Pair], faults: list[str], max_retries: int) -> list[Pair]:
    """The targets that the documentation says are called, worked out by itself."""
    line, waiting, called, transient = list(order), [], [], 0
    for fault in [*faults, None]:
        if not line:
            line, waiting = sorted(waiting, key=order.index), []
        if not line or transient > max_retries:
            break
        target = line.pop(0)
        called.append(target)
        if fault is None:
            break
        if fault == THROTTLED:
            transient += 1
            waiting.append(target)
        elif fault == WRONG_MODEL:
            line = [pair for pair in line if pair[0] != target[0]]
            waiting = [pair for pair in waiting if pair[0] != target[0]]
    return called


def converse(manager: LLMManager, request: dict[str, Any]) -> int:
    """How many attempts the call took, answered or not."""
    try:
        return len(manager.converse(**request).attempts)
    except RetryExhaustedError as error:
        return len(error.attempts)


def called(bedrock: FakeBedrock) -> list[Pair]:
    return [(str(call.invoked_id), call.region) for call in bedrock.calls]


def request() -> dict[str, Any]:
    return {
        "messages": [{"role": "user", "content": [{"text": "Why?"}]}],
        "inference_config": {"maxTokens": 20},
    }


subsets = st.fixed_dictionaries(
    {
        "models": st.lists(st.sampled_from(sorted(MODELS)), min_size=1, unique=True),
        "regions": st.lists(st.sampled_from(REGIONS), min_size=1, unique=True),
        "strategy": st.sampled_from(RetryStrategy),
        "max_retries": st.integers(0, 4),
    }
)


def manager_for(setting: dict[str, Any]) -> LLMManager:
    config = RetryConfig(
        max_retries=setting["max_retries"], retry_delay=0.001, retry_strategy=setting["strategy"]
    )
    return LLMManager(setting["models"], setting["regions"], retry_config=config)


def order_of(setting: dict[str, Any]) -> list[Pair]:
    models = [MODELS[name] for name in setting["models"]]
    if setting["strategy"] is RetryStrategy.REGION_FIRST:
        return [(model, region) for model in models for region in setting["regions"]]
    return [(model, region) for region in setting["regions"] for model in models]


@given(setting=subsets, faults=st.lists(st.sampled_from(sorted(FAULTS)), max_size=10))
@settings(max_examples=50, deadline=None, phases=[Phase.generate])
def test_any_faults_meet_the_documented_order_within_bounds_and_change_nothing(
    bedrock: FakeBedrock, sleeps: list[float], setting: dict[str, Any], faults: list[str]
) -> None:
    bedrock.reset()
    forget_gates()
    for fault in faults:
        bedrock.add_fault(FAULTS[fault])
    given_request = request()
    before = copy.deepcopy(given_request)
    manager = manager_for(setting)
    sleeps.clear()
    converse(manager, given_request)
    assert sum(sleeps) < 0.1
    assert called(bedrock) == documented(order_of(setting), faults, setting["max_retries"])
    assert given_request == before
    manager.close()


@given(setting=subsets, faults=st.lists(st.sampled_from(sorted(FAULTS)), max_size=6))
@settings(max_examples=25, deadline=None, phases=[Phase.generate])
def test_a_second_identical_call_is_never_worse(
    bedrock: FakeBedrock, setting: dict[str, Any], faults: list[str]
) -> None:
    bedrock.reset()
    forget_gates()
    for fault in faults:
        bedrock.add_fault(FAULTS[fault])
    manager = manager_for(setting)
    converse(manager, request())
    bedrock.clear_faults()
    second = manager.converse(**request())
    assert second.success
    assert len(second.attempts) == 1
    assert second.features_disabled == []
    manager.close()


@given(setting=subsets, denied=st.sets(st.tuples(st.sampled_from(sorted(MODELS)), st.sampled_from(REGIONS))))
@settings(max_examples=25, deadline=None, phases=[Phase.generate])
def test_no_target_without_access_is_called_twice(
    bedrock: FakeBedrock, setting: dict[str, Any], denied: set[Pair]
) -> None:
    bedrock.reset()
    forget_gates()
    for name, region in denied:
        bedrock.deny(MODELS[name], region=region)
    manager = manager_for(setting)
    first = converse(manager, request())
    assert len(set(called(bedrock))) == first == len(bedrock.calls)
    answered = any(call.status == 200 for call in bedrock.calls)
    second = converse(manager, request())
    assert second <= first
    if answered:
        assert second == 1
    manager.close()
