"""CallRecord: attempts, and the responses and errors built from them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError

from llmmanager.bedrock.catalog.catalog_entries import AccessMethod, ModelAccess
from llmmanager.bedrock.exceptions.llm_manager_exceptions import (
    AuthenticationError,
    ConfigurationError,
    DeadlineExceededError,
    QuotaExceededError,
    RequestValidationError,
    RetryExhaustedError,
)
from llmmanager.bedrock.invocation.call_record import CallRecord
from llmmanager.bedrock.routing.decision import Decision, Kind, Next

LITE = "amazon.nova-lite-v1:0"
PROFILE = f"us.{LITE}"
EAST = ModelAccess(LITE, "Nova Lite", "us-east-1", AccessMethod.GEOGRAPHIC_PROFILE, PROFILE, PROFILE)
WEST = ModelAccess(LITE, "Nova Lite", "us-west-2", None, LITE)
ANSWER = {"usage": {"inputTokens": 1_000_000, "outputTokens": 0, "totalTokens": 1_000_000}}
START = datetime.now(UTC) - timedelta(seconds=1)
UNAVAILABLE = Decision(Next.SAME_TARGET, Kind.UNAVAILABLE)
REJECTED = Decision(Next.OTHER_REGION, Kind.CREDENTIALS)
EXPIRED = Decision(Next.OTHER_REGION, Kind.EXPIRED_CREDENTIALS)


def rejection(message: str) -> ClientError:
    response = {"Error": {"Code": "UnrecognizedClientException", "Message": message}}
    return ClientError(response, "Converse")  # type: ignore[arg-type]


def failed(decision: Decision = UNAVAILABLE, error: Exception | None = None) -> CallRecord:
    """Return the record of three failed attempts. All have this error, or else errors of their own."""
    record = CallRecord()
    for target, text in ((EAST, "first"), (WEST, "second"), (EAST, "no")):
        record.add_failure(target, START, error=error or rejection(text), decision=decision)
    return record


def test_an_attempt_has_the_data_of_its_target() -> None:
    record = CallRecord()
    record.add_success(EAST, START, answer=ANSWER)
    record.add_success(WEST, START, answer=None)
    first, second = record.attempts
    assert (first.model_id, first.region, first.access_method) == (LITE, "us-east-1", "geographic_profile")
    assert type(first.access_method) is str
    assert (first.invoke_id, first.attempt_number, first.success) == (PROFILE, 1, True)
    assert first.start_time == START < first.end_time <= datetime.now(UTC)
    assert first.end_time.tzinfo is UTC
    assert (first.error, first.decision, first.estimated_cost_usd) == (None, None, 0.06)
    assert first.usage is not None
    assert first.usage["input_tokens"] == 1_000_000
    assert (second.access_method, second.invoke_id, second.attempt_number) == (None, LITE, 2)
    assert second.usage is second.estimated_cost_usd is None


def test_a_rejected_attempt_has_no_tokens_and_costs_nothing() -> None:
    first, *_ = failed(REJECTED).attempts
    assert (first.success, first.decision, first.estimated_cost_usd) == (False, "other_region", 0.0)
    assert first.usage is not None
    assert set(first.usage.values()) == {0}
    lost, *_ = failed(UNAVAILABLE, ValueError("cut")).attempts
    assert lost.usage is lost.estimated_cost_usd is None


def test_tokens_of_a_stream_belong_to_its_last_attempt() -> None:
    record = failed()
    record.add_success(EAST, START, answer=None)
    record.add_usage(EAST, ANSWER)
    last = record.attempts[-1]
    assert (last.success, last.estimated_cost_usd) == (True, 0.06)
    assert last.usage is not None
    assert last.usage["input_tokens"] == 1_000_000
    assert record.attempts[0].estimated_cost_usd == 0.0


@pytest.mark.parametrize(("ended", "ended_now"), [({}, False), ({"ended_now": True}, True)])
def test_an_answer_that_became_a_failure_keeps_its_tokens(ended: dict[str, bool], ended_now: bool) -> None:
    record = CallRecord()
    record.add_success(EAST, START, answer=ANSWER)
    before, error = record.attempts[0], rejection("odd")
    record.change_last_to_failure(error, REJECTED, next_=Next.GIVE_UP, **ended)
    (after,) = record.attempts
    assert (after.success, after.error, after.decision) == (False, error, "give_up")
    assert after.usage == before.usage
    assert (after.end_time > before.end_time) is ended_now
    assert after.end_time.tzinfo is UTC
    assert record.credentials_error(auth_type="profile") is not None


def test_a_response_describes_its_target_and_the_call() -> None:
    record = CallRecord(["given"])
    record.add_success(EAST, START, answer=ANSWER)
    record.validation_errors.append({"attempt": 1})
    response = record.response(EAST, ANSWER, success=True, features_dropped=("tools",), warnings=("new",))
    assert (response.success, response.response_data) == (True, ANSWER)
    assert (response.model_used, response.region_used) == (LITE, "us-east-1")
    assert (response.access_method, response.inference_profile_id) == ("geographic_profile", PROFILE)
    assert (response.warnings, response.features_disabled) == (["given", "new"], ["tools"])
    assert (response.attempts, response.validation_errors) == (record.attempts, [{"attempt": 1}])


def test_the_duration_of_a_call_is_in_milliseconds(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("llmmanager.bedrock.invocation.call_record.time.monotonic", lambda: now)
    record = CallRecord()
    now = 102.5
    assert record.response(None, None, success=False).total_duration_ms == 2500


def test_a_response_without_a_target_has_the_attempts_only() -> None:
    response = failed().response(None, None, success=False)
    assert (response.success, len(response.attempts)) == (False, 3)
    assert response.model_used is response.region_used is response.access_method is None
    assert response.inference_profile_id is response.response_data is None
    assert response.warnings == response.features_disabled == response.validation_errors == []


def test_rejected_credentials_that_end_the_call_name_source_and_region() -> None:
    error = failed().final_error(rejection("no"), REJECTED, auth_type="profile")
    assert isinstance(error, AuthenticationError)
    assert (error.auth_type, error.region) == ("profile", "us-east-1")
    assert str(error).endswith("no")
    assert error.response is not None
    assert (error.response.success, len(error.response.attempts)) == (False, 3)


def test_a_rejected_request_has_the_text_of_bedrock_as_its_problem() -> None:
    error = failed().final_error(
        ValueError("field: odd"), Decision(Next.GIVE_UP, Kind.REQUEST), auth_type="auto"
    )
    assert isinstance(error, RequestValidationError)
    assert str(error) == "Bedrock rejected the request: field: odd"
    assert (error.validation_errors, error.invalid_fields) == (["field: odd"], [])
    assert error.response is not None


def test_an_invalid_configuration_names_the_region() -> None:
    decision = Decision(Next.GIVE_UP, Kind.CONFIGURATION)
    error = failed().final_error(ValueError("no TLS"), decision, auth_type="auto")
    assert isinstance(error, ConfigurationError)
    assert (str(error), error.details) == ("no TLS", {"invalid_config": {"region": "us-east-1"}})
    assert error.response is not None


def test_other_errors_do_not_end_the_call_with_an_error_of_their_own() -> None:
    assert failed().final_error(ValueError("busy"), UNAVAILABLE, auth_type="auto") is None


def test_credentials_are_at_fault_if_every_region_rejected_them() -> None:
    record = failed(REJECTED)
    record.add_failure(WEST, START, error=rejection("expired"), decision=EXPIRED)
    error = record.credentials_error(auth_type="profile")
    assert error is not None
    assert str(error).startswith("credentials rejected in every region tried (us-east-1, us-west-2): ")
    assert str(error).endswith(": expired")
    assert (error.auth_type, error.region) == ("profile", "us-east-1")
    assert error.__cause__ is record.attempts[-1].error
    assert error.response is not None
    assert not error.response.success


def test_credentials_are_not_at_fault_if_an_attempt_failed_otherwise_or_none_was_made() -> None:
    record = failed(REJECTED)
    record.add_failure(EAST, START, error=ValueError("busy"), decision=UNAVAILABLE)
    assert record.credentials_error(auth_type="profile") is None
    assert CallRecord().credentials_error(auth_type="profile") is None


def test_an_error_gets_the_response_once_and_only_with_attempts() -> None:
    error = ConfigurationError("odd")
    CallRecord().add_response_to(error)
    assert error.response is None
    record = failed()
    record.add_response_to(error)
    first = error.response
    assert first is not None
    assert (first.success, len(first.attempts)) == (False, 3)
    record.add_response_to(error)
    assert error.response is first


def test_an_exhausted_call_names_the_reason_what_was_left_out_and_the_last_error() -> None:
    record = failed()
    error = record.exhausted("no target left", out_of_time=False, left_out="m (no known price)")
    assert type(error) is RetryExhaustedError
    assert str(error).startswith(
        "no answer after 3 attempt(s): no target left; "
        "left out by max_cost_multiple: m (no known price); last error: An error occurred"
    )
    assert str(error).endswith(": no")
    assert error.left_out == "m (no known price)"
    assert error.attempts == record.attempts
    assert error.last_errors == [attempt.error for attempt in record.attempts]
    assert error.__cause__ is record.attempts[-1].error
    assert error.response is not None
    assert not error.response.success
    assert error.response.error is None


def test_a_call_without_attempts_has_the_failure_as_its_error() -> None:
    error = CallRecord().exhausted("cancelled", out_of_time=False)
    assert str(error) == "no answer after 0 attempt(s): cancelled"
    assert (error.__cause__, error.left_out) == (None, "")
    assert error.response is not None
    assert error.response.error is error


def test_a_passed_deadline_and_a_quota_are_errors_of_their_own() -> None:
    late = failed().exhausted("late", out_of_time=True)
    assert type(late) is DeadlineExceededError
    assert late.response is not None
    assert late.response.error is late
    full = failed().exhausted("full", out_of_time=True, quota_wait=0.0)
    assert isinstance(full, QuotaExceededError)
    assert full.retry_after == 0.0
    waiting = failed().exhausted("full", out_of_time=False, quota_wait=7.5)
    assert isinstance(waiting, QuotaExceededError)
    assert waiting.retry_after == 7.5
