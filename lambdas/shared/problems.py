"""Errors as problem documents (RFC 9457): type, title, status, and what the caller can do."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from botocore.exceptions import ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as NoConnection

from lambdas.contract import PROBLEM_TYPE_PREFIX
from lambdas.shared.function_log import log_unexpected, logger
from lambdas.shared.problem_types import PROBLEM_TYPES
from lambdas.shared.time_text import format_time
from lambdas.usage.budget_exceeded import BudgetExceeded
from lambdas.usage.money import dollars
from lambdas.usage.transaction import UsageTableUnavailable
from llmmanager import AuthenticationError, BedrockResponse, RequestValidationError, RetryExhaustedError
from llmmanager.bedrock.exceptions.llm_manager_exceptions import DeadlineExceededError, QuotaExceededError
from llmmanager.bedrock.exceptions.structured_output_errors import InvalidAnswerError, StructuredOutputError
from llmmanager.bedrock.models.parallel_response import ParallelResponse
from llmmanager.json_format.codec import InvalidRequest, encode_response, encode_totals

_RETRY_AFTER_SECONDS = 5
# Codes with which S3, Step Functions, SQS and DynamoDB throttle, after the client's own retries.
_THROTTLES = {
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
}


class Problem(Exception):
    """An error that is returned to the caller.

    Attributes:
        slug: last part of the problem's type, a key of `PROBLEM_TYPES`.
        status: the status of the response.
        errors: the details, one string for each.
        headers: headers of the response.
        more: additional members of the document.
    """

    def __init__(
        self,
        slug: str,
        detail: str,
        *,
        errors: Sequence[str] = (),
        headers: Mapping[str, str] | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = PROBLEM_TYPES[slug].status
        self.slug = slug
        self.detail = detail
        self.errors = list(errors)
        self.headers = dict(headers or {})
        self.more = dict(more or {})

    def document(self) -> dict[str, Any]:
        """Return the problem document."""
        return {
            "type": f"{PROBLEM_TYPE_PREFIX}{self.slug}",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "errors": self.errors,
            **self.more,
        }


def not_found(what: str) -> Problem:
    """Return the problem for a resource that does not exist (404)."""
    return Problem("not-found", f"Not found: {what}.")


def method_not_allowed(allowed: str) -> Problem:
    """Return the problem for an unsupported method (405)."""
    return Problem("method-not-allowed", f"Supported methods: {allowed}.", headers={"Allow": allowed})


def answers_rejected(response: BedrockResponse) -> Problem:
    """Return the problem for a call without a valid answer (422). Each answer was paid for."""
    error = response.error
    if isinstance(error, StructuredOutputError) and not isinstance(error, InvalidAnswerError):
        more = {"stopReason": error.stop_reason, **_attempts_and_cost(response)}
        return Problem("answer-incomplete", f"{error.message}.", errors=[error.message], more=more)
    return Problem(
        "answer-refused",
        "No answer follows the rules of responseValidation, or the outputSchema.",
        errors=[str(error["error_message"]) for error in response.get_validation_errors()],
        more=_attempts_and_cost(response),
    )


def problem_from_error(error: Exception, *, reference: str) -> Problem:
    """Return the problem for an error. An unexpected error is logged, and becomes an `internal-error`.

    Args:
        reference: the id by which the log can be searched.
    """
    problem = _known_problem(error)
    if problem is None:
        log_unexpected(error)
        detail = "Unexpected error. Search the log for requestId."
        problem = Problem("internal-error", detail, more={"requestId": reference})
    return problem


def _known_problem(error: Exception) -> Problem | None:
    match error:
        case Problem():
            return error
        case InvalidRequest():
            return _invalid_request(error.reasons)
        case RequestValidationError():
            return _invalid_request(error.validation_errors or [error.message], _cost_members(error.response))
        case DeadlineExceededError():
            return _unanswered("deadline-exceeded", "No model answered before the deadline.", error)
        case QuotaExceededError():
            detail = "The quotas of the models are used up. Retry later."
            return _unanswered("quota-exceeded", detail, error, retry_after=error.retry_after)
        case RetryExhaustedError() if reasons := _rejections(error):
            return _invalid_request(reasons, _cost_members(error.response))
        case RetryExhaustedError():
            return _unanswered("all-targets-failed", "No model answered in any region.", error)
        case AuthenticationError():
            detail = "Bedrock rejects the credentials of this deployment."
            return Problem("upstream-authentication", detail, more=_cost_members(error.response))
        case BudgetExceeded():
            return _budget_exceeded(error)
        case UsageTableUnavailable():
            detail = "The table of budgets is unavailable. Retry later."
            wait = {"Retry-After": str(_RETRY_AFTER_SECONDS)}
            return Problem("store-unavailable", detail, headers=wait, more=_cost_members(error.response))
        case ClientError() | HTTPClientError() | NoConnection() if _is_temporary(error):
            return _busy(error)
    return None


def _is_temporary(error: ClientError | HTTPClientError | NoConnection) -> bool:
    """Whether a service throttles, fails or cannot be reached."""
    if not isinstance(error, ClientError):
        return True
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return error.response["Error"]["Code"] in _THROTTLES or status >= HTTPStatus.INTERNAL_SERVER_ERROR


def _busy(error: Exception) -> Problem:
    # The response does not name the service; the log does.
    details = {"error_type": type(error).__name__, "operation": getattr(error, "operation_name", None)}
    logger.warning("service failed", extra=details)
    detail = "An AWS service behind this API fails or throttles. Retry later."
    return Problem("busy", detail, headers={"Retry-After": str(_RETRY_AFTER_SECONDS)})


def _invalid_request(errors: Sequence[str], more: Mapping[str, Any] | None = None) -> Problem:
    return Problem("invalid-request", "The request is invalid. See errors.", errors=errors, more=more)


def _budget_exceeded(error: BudgetExceeded) -> Problem:
    budget = {
        "scope": error.scope.value,
        "name": error.name,
        "period": error.period.value,
        "limit": dollars(error.limit),
        "left": dollars(error.left),
        "reserved": dollars(error.reserved),
        "resetsAt": format_time(error.resets_at),
    }
    return Problem("budget-exceeded", error.message, more={**budget, **_cost_members(error.response)})


def _attempts_and_cost(response: BedrockResponse) -> dict[str, Any]:
    """Return the members of a problem about its calls: each attempt, and their total usage and cost."""
    return {"attempts": encode_response(response)["attempts"], **encode_totals(response)}


def _cost_members(response: BedrockResponse | ParallelResponse | None) -> dict[str, Any]:
    """Return the same members for a problem that the calls did not cause; none if they cost nothing."""
    if not isinstance(response, BedrockResponse):
        return {}
    is_free = response.estimated_cost_usd == 0 and not response.attempts_with_unknown_usage
    return {} if is_free or not response.attempts else _attempts_and_cost(response)


def _rejections(error: RetryExhaustedError) -> list[str]:
    """Return the messages of all targets if each rejected the request as invalid, or else nothing."""
    attempts = encode_response(error.response)["attempts"] if error.response is not None else []
    failures = [attempt["error"] or {} for attempt in attempts]
    if any(failure.get("code") != "ValidationException" for failure in failures):
        return []
    return list(dict.fromkeys(str(failure.get("message")) for failure in failures))


def _unanswered(
    slug: str,
    detail: str,
    error: RetryExhaustedError,
    *,
    retry_after: float = _RETRY_AFTER_SECONDS,
) -> Problem:
    more = _attempts_and_cost(error.response) if error.response is not None else {"attempts": []}
    if error.left_out:
        detail += f" Left out by maxCostMultiple: {error.left_out}."
    return Problem(
        slug,
        detail,
        errors=[_describe(attempt) for attempt in more["attempts"]],
        headers={"Retry-After": str(math.ceil(retry_after))},
        more=more,
    )


def _describe(attempt: Mapping[str, Any]) -> str:
    failure = attempt["error"] or {}
    return f"{attempt['model']} in {attempt['region']}: {failure.get('code') or failure.get('type')}"
