"""How calls wait for quota: without a lock or a thread, until they are cancelled, no longer than they may."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from llmmanager import (
    DeadlineExceededError,
    LLMManager,
    ModelQuota,
    ParallelLLMManager,
    QuotaExceededError,
    RetryConfig,
    RetryExhaustedError,
)
from llmmanager.bedrock.models.parallel_structures import BedrockConverseRequest
from llmmanager.bedrock.routing import quota_gates
from llmmanager.testing import Call, FakeBedrock, Fault
from tests.waiting import PATIENCE_SECONDS, DeadlineWhen, wait_until

# Nova Lite has one access method there.
REGION = "eu-central-1"
ONE_A_MINUTE = ModelQuota("Nova Lite", requests_per_minute=1)


@pytest.fixture
def minute(fake_bedrock: FakeBedrock, monkeypatch: pytest.MonkeyPatch) -> FakeBedrock:
    """A FakeBedrock whose minute takes four, so that no wait ends during a test."""
    monkeypatch.setenv("LLMMANAGER_QUOTA_WINDOW_SECONDS", "240")
    return fake_bedrock


def gates() -> list[Any]:
    return list(quota_gates._gates._gates.values())


def test_a_call_that_waits_for_quota_can_be_cancelled(minute: FakeBedrock, ask) -> None:
    manager = LLMManager(["Nova Lite"], [REGION], quotas=[ONE_A_MINUTE])
    manager.converse(ask)
    cancelled = threading.Event()
    errors: list[Exception] = []

    def wait_for_quota() -> None:
        try:
            manager.converse_with_request(BedrockConverseRequest(messages=ask), cancelled=cancelled)
        except RetryExhaustedError as error:
            errors.append(error)

    thread = threading.Thread(target=wait_for_quota)
    thread.start()
    wait_until(lambda: any(gate._waiters for gate in gates()))
    cancelled.set()
    thread.join()
    assert "cancelled" in str(errors[0])
    assert len(minute.calls) == 1
    manager.close()


def test_no_lock_is_held_and_no_thread_is_started_for_a_call(minute: FakeBedrock, ask, answer_with) -> None:
    checked = threading.Event()

    def answer_after_the_check(call: Call) -> None:
        assert checked.wait(PATIENCE_SECONDS)

    answer_with(answer_after_the_check)
    manager = LLMManager(["Nova Lite"], [REGION], quotas=[ModelQuota("Nova Lite", requests_per_minute=9)])
    thread = threading.Thread(target=manager.converse, args=(ask,))
    before = set(threading.enumerate())
    thread.start()
    wait_until(lambda: minute.in_flight == 1)
    locked = [gate._lock.locked() for gate in gates()]
    threads = {found for found in threading.enumerate() if "fake-bedrock" not in found.name}
    checked.set()
    thread.join()
    assert locked == [False]
    assert threads - before <= {thread}
    manager.close()


def test_other_calls_keep_to_the_retry_after_of_a_throttle(minute: FakeBedrock, ask, make_manager) -> None:
    minute.add_fault(Fault(error="ThrottlingException", retry_after=60.0, count=1))
    manager = make_manager(regions=(REGION,), retry={"max_retries": 0})
    with pytest.raises(RetryExhaustedError, match="max_retries"):
        manager.converse(ask)
    with pytest.raises(QuotaExceededError) as raised:
        manager.converse(ask, deadline=5)
    assert 5 < raised.value.retry_after <= 60
    assert len(minute.calls) == 1


def test_throttled_calls_do_not_count_as_quota(fake_bedrock: FakeBedrock, ask, monkeypatch) -> None:
    monkeypatch.setenv("LLMMANAGER_QUOTA_WINDOW_SECONDS", "0.2")
    fake_bedrock.add_fault(Fault(error="ThrottlingException"))
    manager = ParallelLLMManager(["Nova Lite"], [REGION], retry_config=RetryConfig(retry_delay=0.0))
    stop = threading.Event()
    requests = [BedrockConverseRequest(messages=ask) for _ in range(4)]
    responses: list[Any] = []
    run = threading.Thread(target=lambda: responses.extend(manager.iter_responses(requests, stop=stop)))
    run.start()
    # A gate sends a call at least every eighth of the window.
    wait_until(lambda: manager.seconds_without_quota() > 0.6)
    stop.set()
    run.join()
    assert [response.success for _, response in responses] == [False] * 4
    manager.close()


def test_a_call_whose_deadline_passes_before_it_is_sent_uses_no_quota(minute: FakeBedrock, ask) -> None:
    admitted: list[int] = []

    def has_passed() -> list[int]:
        admitted.extend(gate._usage.tokens for gate in gates() if gate._usage.tokens)
        return admitted

    manager = LLMManager(["Nova Lite"], [REGION])
    with pytest.raises(DeadlineExceededError, match="before the target could be called"):
        manager.converse(ask, deadline=DeadlineWhen(has_passed))
    assert [gate._usage.tokens for gate in gates()] == [0]
    assert not minute.calls
    manager.close()
