"""Errors of the streaming API."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from lambdas.api_keys.allowed_targets import KeyNotAllowed
from lambdas.streaming_api.api_error import (
    api_error,
    insufficient_quota,
    invalid_answer,
    rate_limited,
    stream_interrupted,
)
from lambdas.streaming_api.mapping_error import missing, unsupported
from llmmanager import (
    AuthenticationError,
    LLMManager,
    RequestValidationError,
    RetryConfig,
    RetryExhaustedError,
)
from llmmanager.bedrock.exceptions.llm_manager_exceptions import DeadlineExceededError, QuotaExceededError
from llmmanager.testing import FakeBedrock, Fault
from tests.unit.lambdas.streaming_api.chat_completions.chat import HELLO, mapped
from tests.unit.lambdas.streaming_api.rows import row

REGIONS = ["us-east-1", "us-west-2"]


def error_of(manager: LLMManager, **arguments: Any) -> Exception:
    try:
        manager.converse(**mapped(HELLO).converse, **arguments)
    except Exception as error:
        return error
    raise AssertionError("answered")


@pytest.fixture
def manager(fake_bedrock: FakeBedrock) -> LLMManager:
    return LLMManager(["Nova Lite"], REGIONS, retry_config=RetryConfig(max_retries=0))


def error(exception: Exception, **more: Any) -> Any:
    return api_error(exception, reference="request-1", **more)


@row("400 `invalid_request_error`")
def test_a_field_that_cannot_be_mapped_is_named() -> None:
    found = error(unsupported("n", "send one request for each answer"))
    assert found.status == 400
    assert found.openai_document() == {
        "error": {
            "message": "n: is not supported; send one request for each answer",
            "type": "invalid_request_error",
            "param": "n",
            "code": "unsupported_parameter",
        }
    }
    assert error(missing("model")).code == "missing_required_parameter"


def test_a_problem_that_the_library_finds_has_the_path_of_the_clients_field() -> None:
    problems = [
        "messages[0].content[1].image.source.bytes: must be at most 5 bytes (got 6 bytes)",
        "system: x",
    ]
    found = error(
        RequestValidationError("invalid", problems),
        origins={"messages[0].content[1]": "messages[3].content[0].image_url.url"},
    )
    assert (found.status, found.param) == (400, "messages[3].content[0].image_url.url")
    assert found.message == f"{found.param}: must be at most 5 bytes (got 6 bytes); system: x"


@row("400 `context_length_exceeded`")
def test_a_request_that_is_too_long_for_every_model_has_a_code_of_its_own(
    manager: LLMManager, fake_bedrock: FakeBedrock
) -> None:
    fake_bedrock.add_fault(
        Fault(error="ValidationException", message="Input is too long for requested model.")
    )
    found = error(error_of(manager))
    assert (found.status, found.code, found.param) == (400, "context_length_exceeded", "messages")


@row("401 `invalid_api_key`, 403 `permission_denied`, 404 `model_not_found`")
def test_a_key_that_does_not_allow_the_request() -> None:
    found = error(KeyNotAllowed(404, "model_not_found", "The model 'a' does not exist.", param="model"))
    assert (found.status, found.code, found.param) == (404, "model_not_found", "model")


@row("429 `rate_limit_exceeded`")
@pytest.mark.parametrize("is_denied_elsewhere", [False, True])
def test_throttled_models_are_a_429_with_the_time_to_wait(
    manager: LLMManager, fake_bedrock: FakeBedrock, is_denied_elsewhere: bool
) -> None:
    if is_denied_elsewhere:
        fake_bedrock.add_fault(Fault(error="AccessDeniedException", region="us-west-2"))
    fake_bedrock.add_fault(Fault(error="ThrottlingException"))
    found = error(error_of(manager))
    assert (found.status, found.code, found.type) == (429, "rate_limit_exceeded", "rate_limit_error")
    assert int(found.headers["Retry-After"]) >= 1


def test_throttled_models_are_a_429_also_at_the_deadline(fake_bedrock: FakeBedrock) -> None:
    manager = LLMManager(["Nova Lite"], REGIONS, retry_config=RetryConfig(max_retries=100))
    # The first call creates clients, which takes long on a busy machine.
    manager.converse("Hi")
    fake_bedrock.add_fault(Fault(error="ThrottlingException"))
    assert error(error_of(manager, deadline=1.5)).status == 429


def test_a_quota_that_is_used_up_is_a_429_with_the_time_to_wait() -> None:
    exception = QuotaExceededError("the quotas are used up")
    exception.retry_after = 7.2
    found = error(exception)
    assert (found.status, found.code, found.headers) == (429, "rate_limit_exceeded", {"Retry-After": "8"})


@row("429 `insufficient_quota`")
def test_a_budget_that_is_used_up_must_not_be_retried() -> None:
    found = insufficient_quota("The budget of this key is used up.")
    assert (found.status, found.code) == (429, "insufficient_quota")
    assert found.headers == {"x-should-retry": "false"}


def test_a_limit_of_requests_has_at_least_a_second_to_wait() -> None:
    assert rate_limited("Too many requests.", retry_after=0.1).headers == {"Retry-After": "1"}


@row("503 `service_unavailable`")
def test_models_that_fail_are_a_503_with_the_reasons(manager: LLMManager, fake_bedrock: FakeBedrock) -> None:
    fake_bedrock.add_fault(Fault(error="ServiceUnavailableException", region="us-east-1"))
    fake_bedrock.add_fault(Fault(error="AccessDeniedException", region="us-west-2"))
    found = error(error_of(manager))
    assert (found.status, found.code, found.type) == (503, "service_unavailable", "server_error")
    assert "us-east-1: ServiceUnavailableException" in found.message
    assert found.headers["Retry-After"]


def test_an_aws_service_that_throttles_the_function_is_a_503() -> None:
    found = error(ClientError({"Error": {"Code": "ThrottlingException"}}, "GetItem"))
    assert (found.status, found.code) == (503, "service_unavailable")


@row("504 `timeout`")
def test_a_deadline_that_passed_is_a_504() -> None:
    assert (error(DeadlineExceededError("late")).status, error(DeadlineExceededError("late")).code) == (
        504,
        "timeout",
    )


@row("502 `upstream_authentication`")
def test_credentials_that_bedrock_rejects_are_a_502() -> None:
    found = error(AuthenticationError("expired"))
    assert (found.status, found.code) == (502, "upstream_authentication")


@row("500 `internal_error`")
def test_an_unexpected_error_names_the_request_and_not_its_cause() -> None:
    found = error(KeyError("secret"))
    assert (found.status, found.code) == (500, "internal_error")
    assert found.message == "Unexpected error. Request id: request-1."


@row("422 `invalid_answer`")
def test_answers_in_a_wrong_format_must_not_be_retried() -> None:
    found = invalid_answer("The answer is not JSON.")
    assert (found.status, found.code, found.headers) == (422, "invalid_answer", {"x-should-retry": "false"})


def test_an_interrupted_stream_says_that_the_answer_is_incomplete() -> None:
    document = stream_interrupted(RetryExhaustedError("no target is left")).openai_document()
    assert document["error"]["code"] == "stream_interrupted"
    assert document["error"]["message"].endswith("no target is left. It is incomplete.")
    assert stream_interrupted(ValueError("Try again.")).message.endswith(": Try again. It is incomplete.")
    assert "continued. It" in stream_interrupted(None).message
