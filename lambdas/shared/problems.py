"""What goes wrong, as problem documents (RFC 9457): a type, a title, a status, and what the caller can do."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from botocore.exceptions import ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as NoConnection

from lambdas.shared.codec import InvalidRequest, encode_response, encode_totals
from lambdas.shared.observability import logger
from llmmanager import AuthenticationError, BedrockResponse, RequestValidationError, RetryExhaustedError
from llmmanager.bedrock.exceptions.llm_manager_exceptions import DeadlineExceededError, QuotaExceededError

_RETRY_AFTER_SECONDS = 5
# How S3, Step Functions, SQS and DynamoDB say that they are asked too often, after the client's own retries.
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
    """An answer other than the one that was asked for.

    Attributes:
        slug: last part of the problem's type.
        errors: what is wrong, one sentence each.
        headers: to go with the answer.
        more: further members of the document.
    """

    def __init__(
        self,
        status: int,
        slug: str,
        detail: str,
        *,
        errors: Sequence[str] = (),
        headers: Mapping[str, str] | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.slug = slug
        self.detail = detail
        self.errors = list(errors)
        self.headers = dict(headers or {})
        self.more = dict(more or {})

    def document(self) -> dict[str, Any]:
        """The body of the answer."""
        return {
            "type": f"urn:llmmanager:problem:{self.slug}",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "errors": self.errors,
            **self.more,
        }


def not_found(what: str) -> Problem:
    """404."""
    return Problem(404, "not-found", f"There is no {what}.")


def method_not_allowed(allowed: str) -> Problem:
    """405."""
    return Problem(405, "method-not-allowed", f"This takes {allowed}.", headers={"Allow": allowed})


def answer_refused(response: BedrockResponse) -> Problem:
    """Return the problem (422) of a call whose answers all break the caller's rules; each was paid for."""
    return Problem(
        422,
        "answer-refused",
        "No answer kept the rules of responseValidation.",
        errors=[str(error["error_message"]) for error in response.get_validation_errors()],
        more=_called(response),
    )


def problem_of(error: Exception) -> Problem | None:
    """What an error means to the caller; None for one that nobody foresaw."""
    match error:
        case Problem():
            return error
        case InvalidRequest():
            return _invalid_request(error.reasons)
        case RequestValidationError():
            return _invalid_request(error.validation_errors or [error.message], _spent(error.response))
        case DeadlineExceededError():
            return _unanswered(504, "deadline-exceeded", "No model answered in time.", error)
        case QuotaExceededError():
            detail = "The quotas of the models admit this request only later."
            return _unanswered(429, "quota-exceeded", detail, error, retry_after=error.retry_after)
        case RetryExhaustedError() if reasons := _refusals(error):
            return _invalid_request(reasons, _spent(error.response))
        case RetryExhaustedError():
            return _unanswered(503, "all-targets-failed", "No model answered in any region.", error)
        case AuthenticationError():
            detail = "Bedrock does not accept this service's credentials."
            return Problem(502, "upstream-authentication", detail, more=_spent(error.response))
        case ClientError() | HTTPClientError() | NoConnection() if _will_pass(error):
            return _busy(error)
    return None


def internal_error(request_id: str) -> Problem:
    """500, without a word about why: that is in the log."""
    return Problem(
        500, "internal-error", "Something went wrong on this side.", more={"requestId": request_id}
    )


def _will_pass(error: ClientError | HTTPClientError | NoConnection) -> bool:
    """Whether a service that was asked would rather be asked later; or it fails, or is not reached."""
    if not isinstance(error, ClientError):
        return True
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return error.response["Error"]["Code"] in _THROTTLES or status >= HTTPStatus.INTERNAL_SERVER_ERROR


def _busy(error: Exception) -> Problem:
    # The caller is not told which service it is.
    told = {"error_type": type(error).__name__, "operation": getattr(error, "operation_name", None)}
    logger.warning("service failed", extra=told)
    detail = "A service behind this one fails, or takes no more requests, at the moment."
    return Problem(503, "busy", detail, headers={"Retry-After": str(_RETRY_AFTER_SECONDS)})


def _invalid_request(errors: Sequence[str], more: Mapping[str, Any] | None = None) -> Problem:
    return Problem(400, "invalid-request", "The request cannot be made as it is.", errors=errors, more=more)


def _called(response: BedrockResponse) -> dict[str, Any]:
    """What a problem says of the calls that were made: each attempt, and what they cost together."""
    return {"attempts": encode_response(response)["attempts"], **encode_totals(response)}


def _spent(response: BedrockResponse | None) -> dict[str, Any]:
    """The same for a problem that has nothing to do with the calls; empty when they cost nothing."""
    if response is None:
        return {}
    is_free = response.estimated_cost_usd == 0 and not response.attempts_with_unknown_usage
    return {} if is_free or not response.attempts else _called(response)


def _refusals(error: RetryExhaustedError) -> list[str]:
    """Why Bedrock found the request invalid, where that is all that every target said; else nothing."""
    attempts = encode_response(error.response)["attempts"] if error.response is not None else []
    failures = [attempt["error"] or {} for attempt in attempts]
    if any(failure.get("code") != "ValidationException" for failure in failures):
        return []
    return list(dict.fromkeys(str(failure.get("message")) for failure in failures))


def _unanswered(
    status: int,
    slug: str,
    detail: str,
    error: RetryExhaustedError,
    *,
    retry_after: float = _RETRY_AFTER_SECONDS,
) -> Problem:
    more = _called(error.response) if error.response is not None else {"attempts": []}
    if error.left_out:
        detail += f" Left out by maxCostMultiple: {error.left_out}."
    return Problem(
        status,
        slug,
        detail,
        errors=[_in_words(attempt) for attempt in more["attempts"]],
        headers={"Retry-After": str(math.ceil(retry_after))},
        more=more,
    )


def _in_words(attempt: Mapping[str, Any]) -> str:
    failure = attempt["error"] or {}
    return f"{attempt['model']} in {attempt['region']}: {failure.get('code') or failure.get('type')}"
