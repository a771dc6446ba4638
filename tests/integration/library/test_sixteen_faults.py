"""The sixteen faults of Failover Bench: a complete answer or a clean error, and few calls of what fails."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from llmmanager import LLMManager
from llmmanager.bedrock.exceptions.llm_manager_exceptions import LLMManagerError
from llmmanager.testing import Call, FakeBedrock, Fault
from llmmanager.testing.settings import apply_rules
from tests.fault_catalogue import CASES, FALLBACK, PRIMARY, PROMPT, REGION, FaultCase
from tests.waiting import PATIENCE_SECONDS, wait_until

# For a target that falls silent. The next one answers at once.
SILENCE_SECONDS = 3.0
MESSAGES = [{"role": "user", "content": [{"text": PROMPT}]}]
Ask = Callable[[LLMManager], "Outcome"]


@dataclass(frozen=True)
class Outcome:
    """What a caller has in the end."""

    text: str
    success: bool
    error: Exception | None = None
    model: str | None = None
    usage: dict[str, int] | None = None
    total_usage: dict[str, int] | None = None


def converse(manager: LLMManager) -> Outcome:
    try:
        response = manager.converse(MESSAGES)
    except LLMManagerError as error:
        return Outcome("", False, error)
    text = response.get_content() or ""
    usage, total = response.get_usage(), response.get_total_usage()
    return Outcome(text, response.success, None, response.model_used, usage, total)


def stream(manager: LLMManager) -> Outcome:
    try:
        answer = manager.converse_stream(MESSAGES)
    except LLMManagerError as error:
        return Outcome("", False, error)
    text, error = "".join(answer), answer.get_last_error()
    usage, total = answer.get_usage(), answer.get_total_usage()
    return Outcome(text, answer.success, error, answer.model_used, usage, total)


@pytest.fixture
def manager_of(make_manager: Callable[..., LLMManager]) -> Callable[..., LLMManager]:
    """Makes managers with the default number of retries, which hardly wait between attempts."""
    return lambda *models, timeout=PATIENCE_SECONDS: make_manager(models, (REGION,), timeout=timeout)


@pytest.fixture
def whole(fake_bedrock: FakeBedrock, manager_of: Callable[..., LLMManager]) -> str:
    """The complete answer, which is the same for all models."""
    text = converse(manager_of(PRIMARY["name"])).text
    fake_bedrock.reset()
    return text


def timeout_of(case: FaultCase) -> float:
    return SILENCE_SECONDS if case.is_silent else PATIENCE_SECONDS


def calls_of_primary(bedrock: FakeBedrock) -> list[Call]:
    return [call for call in bedrock.calls if call.invoked_id == PRIMARY["id"]]


def check_conduct(bedrock: FakeBedrock, case: FaultCase, outcome: Outcome, whole: str) -> None:
    """No truncated answer is a success, an error has a reason, and the failing model is not hammered."""
    if outcome.success:
        assert outcome.text == whole
    else:
        assert isinstance(outcome.error, Exception)
    calls = calls_of_primary(bedrock)
    assert 1 <= len(calls) <= case.most_calls
    if case.most_in_burst is not None:
        start = calls[0].started_at
        assert sum(call.started_at - start < case.burst_seconds for call in calls) <= case.most_in_burst


OPERATIONS = [
    *(pytest.param(case, stream, id=f"{case.number}-stream") for case in CASES),
    *(pytest.param(case, converse, id=f"{case.number}") for case in CASES if not case.hits_streams_only),
]


@pytest.mark.parametrize(("case", "ask"), OPERATIONS)
def test_a_call_with_a_fallback_is_answered_by_the_model_that_works(
    fake_bedrock: FakeBedrock, manager_of: Callable[..., LLMManager], whole: str, case: FaultCase, ask: Ask
) -> None:
    apply_rules(fake_bedrock, case.rules())
    outcome = ask(manager_of(PRIMARY["name"], case.fallback["name"], timeout=timeout_of(case)))
    check_conduct(fake_bedrock, case, outcome, whole)
    assert outcome.success is case.has_answer
    if outcome.success:
        answered = fake_bedrock.calls[-1]
        assert outcome.model == answered.model_id
        if case.fault.get("stream_fault") == "no_metadata":
            assert outcome.usage is None
        else:
            assert outcome.usage["totalTokens"] == answered.usage["totalTokens"]  # type: ignore[index]


@pytest.mark.parametrize(("case", "ask"), OPERATIONS)
def test_a_call_without_a_fallback_is_answered_if_the_fault_passes_and_else_fails_with_its_reason(
    fake_bedrock: FakeBedrock, manager_of: Callable[..., LLMManager], whole: str, case: FaultCase, ask: Ask
) -> None:
    apply_rules(fake_bedrock, case.rules())
    outcome = ask(manager_of(PRIMARY["name"], timeout=timeout_of(case)))
    check_conduct(fake_bedrock, case, outcome, whole)
    assert outcome.success is case.passes
    if not outcome.success and "error" in case.fault:
        assert str(case.fault.get("message") or case.fault["error"]) in str(outcome.error)


def test_a_hint_of_two_seconds_is_waited_for_where_there_is_no_fallback(
    fake_bedrock: FakeBedrock, manager_of: Callable[..., LLMManager]
) -> None:
    apply_rules(fake_bedrock, CASES[0].rules())
    assert stream(manager_of(PRIMARY["name"])).success
    first, second = calls_of_primary(fake_bedrock)
    assert second.started_at - first.started_at >= 1.8


def test_failed_attempts_are_not_billed_to_the_answer(
    fake_bedrock: FakeBedrock, manager_of: Callable[..., LLMManager]
) -> None:
    fake_bedrock.add_fault(Fault(error="ServiceUnavailableException", model=PRIMARY["id"]))
    outcome = stream(manager_of(PRIMARY["name"], FALLBACK["name"]))
    assert outcome.total_usage == outcome.usage
    assert outcome.usage["outputTokens"] == fake_bedrock.billed.output_tokens  # type: ignore[index]


def test_a_model_that_was_down_answers_again_after_its_recovery(
    fake_bedrock: FakeBedrock, manager_of: Callable[..., LLMManager], whole: str
) -> None:
    fault = fake_bedrock.add_fault(Fault(error="ServiceUnavailableException", model=PRIMARY["id"]))
    manager = manager_of(PRIMARY["name"], FALLBACK["name"])
    down = [stream(manager) for _ in range(6)]
    assert [outcome.text for outcome in down] == [whole] * 6
    assert len(calls_of_primary(fake_bedrock)) == 3
    fake_bedrock.remove_fault(fault)
    wait_until(lambda: stream(manager).model == calls_of_primary(fake_bedrock)[0].model_id)
