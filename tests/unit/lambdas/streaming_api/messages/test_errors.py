"""Errors in Anthropic's format."""

from __future__ import annotations

from lambdas.api_keys.allowed_targets import KeyNotAllowed
from lambdas.streaming_api.api_error import (
    ApiError,
    api_error,
    insufficient_quota,
    invalid_answer,
    rate_limited,
)
from lambdas.streaming_api.mapping_error import unsupported
from llmmanager import AuthenticationError, RequestValidationError
from llmmanager.bedrock.exceptions.llm_manager_exceptions import DeadlineExceededError
from tests.unit.lambdas.streaming_api.rows import row


def type_and_code(error: ApiError) -> tuple[int, str, str | None]:
    """Return the status, and the type and the code of Anthropic's document."""
    found = error.anthropic_document("request-1")["error"]
    return error.status, found["type"], found.get("details", {}).get("error_code")


def of(exception: Exception) -> tuple[int, str, str | None]:
    return type_and_code(api_error(exception, reference="request-1"))


@row("400 `invalid_request_error`")
def test_an_invalid_request_names_the_field_in_the_message() -> None:
    error = api_error(unsupported("mcp_servers", "use tools of your own"), reference="request-1")
    assert error.anthropic_document("request-1") == {
        "type": "error",
        "error": {
            "type": "invalid_request_error",
            "message": "mcp_servers: is not supported; use tools of your own",
            "details": {"error_code": "unsupported_parameter"},
        },
        "request_id": "request-1",
    }


def test_an_error_without_a_code_has_no_details() -> None:
    error = api_error(RequestValidationError("invalid", ["invalid"]), reference="request-1")
    assert error.anthropic_document(None)["error"] == {"type": "invalid_request_error", "message": "invalid"}


@row("400 `invalid_request_error`, `context_length_exceeded`")
def test_a_request_that_is_too_long_has_a_code_of_its_own() -> None:
    too_long = RequestValidationError("invalid", ["Input is too long for requested model."])
    assert of(too_long) == (400, "invalid_request_error", "context_length_exceeded")


@row("401 `authentication_error`, 403 `permission_error`, 404 `not_found_error`")
def test_a_key_that_does_not_allow_the_request() -> None:
    assert of(KeyNotAllowed(401, "invalid_api_key", "expired"))[1] == "authentication_error"
    assert of(KeyNotAllowed(403, "permission_denied", "no model"))[1] == "permission_error"
    assert of(KeyNotAllowed(404, "model_not_found", "no such model"))[1] == "not_found_error"


@row("413 `request_too_large`")
def test_a_body_that_is_too_large() -> None:
    assert type_and_code(ApiError(413, "too large", "invalid_request_error"))[1] == "request_too_large"


@row("422 `invalid_request_error`, `invalid_answer`")
def test_answers_in_a_wrong_format_must_not_be_retried() -> None:
    error = invalid_answer("The answer is not JSON.")
    assert type_and_code(error) == (422, "invalid_request_error", "invalid_answer")
    assert error.headers == {"x-should-retry": "false"}


@row("429 `rate_limit_error`")
def test_throttled_models() -> None:
    error = rate_limited("The models are throttled.", retry_after=3)
    assert type_and_code(error) == (429, "rate_limit_error", "rate_limit_exceeded")
    assert error.headers == {"Retry-After": "3"}


@row("429 `rate_limit_error`, `insufficient_quota`")
def test_a_budget_that_is_used_up_must_not_be_retried() -> None:
    error = insufficient_quota("The budget of this key is used up.")
    assert type_and_code(error) == (429, "rate_limit_error", "insufficient_quota")
    assert error.headers == {"x-should-retry": "false"}


@row("500 `api_error`, 502 `api_error`")
def test_errors_of_this_deployment() -> None:
    assert of(KeyError("secret")) == (500, "api_error", "internal_error")
    assert of(AuthenticationError("expired")) == (502, "api_error", "upstream_authentication")


@row("503 `overloaded_error`")
def test_models_that_do_not_answer() -> None:
    error = ApiError(503, "no model answered", "server_error", "service_unavailable")
    assert type_and_code(error) == (503, "overloaded_error", "service_unavailable")


@row("504 `timeout_error`")
def test_a_deadline_that_passed() -> None:
    assert of(DeadlineExceededError("late")) == (504, "timeout_error", "timeout")
