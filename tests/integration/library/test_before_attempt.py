"""`before_attempt`: the caller's function is called before each attempt, and ends the call if it raises."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import pytest

from llmmanager import (
    BedrockConverseRequest,
    ConfigurationError,
    Deadline,
    DeadlineExceededError,
    LLMManagerError,
    ModelQuota,
    PlannedAttempt,
    QuotaExceededError,
    ResponseValidationConfig,
    ValidationResult,
)
from llmmanager.testing import FakeBedrock, Fault

THROTTLED = Fault(error="ThrottlingException", region="us-east-1")


class Guard:
    """Keeps the planned attempts, and raises `error` at the attempt with the number `stop_at`, from 1."""

    def __init__(self, error: BaseException | None = None, *, stop_at: int = 1) -> None:
        self.planned: list[PlannedAttempt] = []
        self._error = error
        self._stop_at = stop_at

    def __call__(self, planned: PlannedAttempt) -> None:
        self.planned.append(planned)
        if self._error is not None and len(self.planned) == self._stop_at:
            raise self._error

    @property
    def regions(self) -> list[str]:
        return [planned.region for planned in self.planned]


@pytest.fixture
def never_valid() -> ResponseValidationConfig:
    return ResponseValidationConfig(lambda _: ValidationResult(False, "no"), response_validation_retries=1)


def test_the_guard_sees_each_attempt_with_those_before_it(
    fake_bedrock: FakeBedrock, make_manager, ask
) -> None:
    fake_bedrock.add_fault(THROTTLED)
    guard = Guard()
    response = make_manager(("Claude Haiku 4.5",)).converse(ask, before_attempt=guard)
    assert guard.regions == [call.region for call in fake_bedrock.calls] == ["us-east-1", "us-west-2"]
    assert [planned.attempts for planned in guard.planned] == [(), tuple(response.attempts[:1])]
    last = guard.planned[-1]
    assert (last.model_id, last.region, last.access_method, last.inference_profile_id, last.request_id) == (
        response.model_used,
        response.region_used,
        response.access_method,
        response.inference_profile_id,
        None,
    )


def test_an_error_of_the_guard_ends_the_call_with_the_attempts_so_far(
    fake_bedrock: FakeBedrock, make_manager, ask
) -> None:
    fake_bedrock.add_fault(THROTTLED)
    error = LLMManagerError("too expensive")
    with pytest.raises(LLMManagerError) as raised:
        make_manager().converse(ask, before_attempt=Guard(error, stop_at=2))
    assert raised.value is error
    assert [call.region for call in fake_bedrock.calls] == ["us-east-1"]
    assert [attempt.region for attempt in error.response.attempts] == ["us-east-1"]
    assert not error.response.success
    assert error.response.get_last_error() is error


def test_an_error_before_the_first_attempt_has_a_response_without_attempts(
    fake_bedrock: FakeBedrock, make_manager, ask
) -> None:
    error = LLMManagerError("too expensive")
    for send in (make_manager().converse, make_manager().converse_stream):
        with pytest.raises(LLMManagerError):
            send(ask, before_attempt=Guard(error))
        assert error.response.attempts == []
    assert not fake_bedrock.calls


@pytest.mark.parametrize("error", [ValueError("a fault of the guard"), KeyboardInterrupt()])
def test_any_other_exception_propagates_unchanged(
    fake_bedrock: FakeBedrock, make_manager, ask, error: BaseException
) -> None:
    manager = make_manager()
    with pytest.raises(type(error)) as raised:
        manager.converse(ask, before_attempt=Guard(error))
    assert raised.value is error
    assert not fake_bedrock.calls
    assert manager.converse(ask).success


def test_an_attempt_that_is_not_sent_uses_no_quota(make_manager, ask, monkeypatch) -> None:
    monkeypatch.setenv("LLMMANAGER_QUOTA_WINDOW_SECONDS", "240")
    manager = make_manager(quotas=[ModelQuota("Nova Lite", requests_per_minute=1)])
    guard = Guard(LLMManagerError("too expensive"))
    with pytest.raises(LLMManagerError, match="too expensive"):
        manager.converse(ask, before_attempt=guard)
    first, second = (manager.converse(ask) for _ in range(2))
    [planned] = guard.planned
    target = (planned.region, planned.access_method)
    assert (first.region_used, first.access_method) == target
    # The first call has used the quota of this target.
    assert (second.region_used, second.access_method) != target


@pytest.mark.parametrize("kind", [LLMManagerError, QuotaExceededError])
def test_the_guard_is_called_before_an_answer_is_requested_again(
    fake_bedrock: FakeBedrock, make_manager, ask, never_valid, kind: type[LLMManagerError]
) -> None:
    counted = Guard()
    make_manager().converse(ask, response_validation_config=never_valid, before_attempt=counted)
    assert len(counted.planned) == 2
    fake_bedrock.reset()
    error = kind("too expensive")
    guard = Guard(error, stop_at=2)
    with pytest.raises(kind) as raised:
        make_manager().converse(ask, response_validation_config=never_valid, before_attempt=guard)
    assert raised.value is error
    [paid] = error.response.attempts
    assert paid.usage["output_tokens"] == fake_bedrock.billed.output_tokens > 0


def test_the_guard_sees_the_request_without_removed_features(
    fake_bedrock: FakeBedrock, make_manager, ask
) -> None:
    rejection = "This model doesn't support tool use."
    fake_bedrock.add_fault(Fault(error="ValidationException", message=rejection, count=1))
    schema = {"type": "object", "description": "A time. " * 1000}
    tools = {"tools": [{"toolSpec": {"name": "clock", "inputSchema": {"json": schema}}}]}
    guard = Guard()
    response = make_manager().converse(ask, tool_config=tools, before_attempt=guard)
    assert response.features_disabled == ["tools"]
    with_tools, without = (planned.max_input_tokens for planned in guard.planned)
    assert with_tools - without > 8000


def test_a_stream_that_has_begun_ends_incomplete_with_the_error_of_the_guard(
    fake_bedrock: FakeBedrock, make_manager, ask
) -> None:
    fake_bedrock.add_fault(Fault(reset=True, after_chunks=4, region="us-east-1"))
    error = LLMManagerError("too expensive")
    guard = Guard(error, stop_at=2)
    stream = make_manager().converse_stream(ask, before_attempt=guard)
    assert "".join(stream)
    assert not stream.success
    assert stream.get_last_error() is error
    assert guard.regions == ["us-east-1", "us-west-2"]
    assert [attempt.usage_known for attempt in error.response.attempts] == [False]
    assert len(fake_bedrock.calls) == len(stream.attempts) == 1


def test_a_stream_raises_any_other_exception_of_the_guard(
    fake_bedrock: FakeBedrock, make_manager, ask
) -> None:
    fake_bedrock.add_fault(Fault(reset=True, after_chunks=4, region="us-east-1"))
    stream = make_manager().converse_stream(ask, before_attempt=Guard(ValueError("wrong"), stop_at=2))
    with pytest.raises(ValueError, match="wrong"):
        list(stream)
    assert not stream.success
    assert len(stream.attempts) == 1


def test_the_time_of_the_guard_counts_towards_the_deadline(
    fake_bedrock: FakeBedrock, make_manager, ask
) -> None:
    deadline = Deadline.after(1000)

    def take_all_time(_: PlannedAttempt) -> None:
        object.__setattr__(deadline, "at", 0.0)

    manager = make_manager()
    with pytest.raises(DeadlineExceededError):
        manager.converse(ask, deadline=deadline, before_attempt=take_all_time)
    assert not fake_bedrock.calls
    assert not manager.get_retry_stats()["attempts"]


def test_a_request_object_is_identified(make_manager, ask) -> None:
    guard, manager = Guard(), make_manager()
    manager.converse_with_request(BedrockConverseRequest("one", ask), before_attempt=guard)
    list(manager.converse_stream_with_request(BedrockConverseRequest("two", ask), before_attempt=guard))
    assert [planned.request_id for planned in guard.planned] == ["one", "two"]


def test_a_parallel_run_yields_a_request_that_the_guard_ends(
    fake_bedrock: FakeBedrock, make_parallel, ask
) -> None:
    def only_first(planned: PlannedAttempt) -> None:
        if planned.request_id != "first":
            raise LLMManagerError(f"{planned.request_id} is too expensive")

    requests = [BedrockConverseRequest(name, ask) for name in ("first", "second")]
    manager = make_parallel()
    yielded = {
        request.request_id: response
        for request, response in manager.iter_responses(requests, before_attempt=only_first)
    }
    assert (yielded["first"].success, yielded["second"].success) == (True, False)
    assert str(yielded["second"].get_last_error()) == "second is too expensive"
    result = manager.converse_parallel(requests, before_attempt=only_first)
    assert result.failed_requests == ["second"]
    assert len(fake_bedrock.calls) == 2


class AsyncGuard:
    async def __call__(self, planned: PlannedAttempt) -> None: ...


async def async_guard(planned: PlannedAttempt) -> None: ...


@pytest.mark.parametrize("guard", [async_guard, partial(async_guard), AsyncGuard()])
def test_a_guard_that_is_async_is_rejected_because_it_would_not_run(
    make_manager, make_parallel, fake_bedrock: FakeBedrock, ask, guard: Any
) -> None:
    with pytest.raises(ConfigurationError, match="before_attempt must not be async"):
        make_manager().converse(ask, before_attempt=guard)
    with pytest.raises(ConfigurationError, match="before_attempt must not be async"):
        asyncio.run(make_manager().aconverse(ask, before_attempt=guard))
    with pytest.raises(ConfigurationError, match="before_attempt must not be async"):
        make_parallel().iter_responses([], before_attempt=guard)
    assert not fake_bedrock.calls


@pytest.mark.parametrize("method", ["converse", "converse_stream"])
def test_what_cannot_be_called_is_rejected(make_manager, ask, method: str) -> None:
    arguments: dict[str, Any] = {"before_attempt": 5}
    with pytest.raises(ConfigurationError, match=r"before_attempt must be callable \(got int\)"):
        getattr(make_manager(), method)(ask, **arguments)
