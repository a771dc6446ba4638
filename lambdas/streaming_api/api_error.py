"""Errors of the streaming API: status, headers and the members of the document.

OpenAI's document is `{"error": {"message", "type", "param", "code"}}`, and Anthropic's is
`{"type": "error", "error": {"type", "message", "details"}, "request_id"}`. The status decides what their
clients do: they retry 429 and 5xx, after the seconds of `Retry-After`, unless `x-should-retry` is "false".
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from lambdas.streaming_api.field_origins import Origins, client_path, client_problem
from lambdas.streaming_api.mapping_error import MappingError

_INVALID = "invalid_request_error"
_RATE_LIMIT = "rate_limit_error"
_SERVER = "server_error"
_NO_RETRY = {"x-should-retry": "false"}
# Types and codes by the kind of problem that the HTTP API reports for the same exception.
_BY_PROBLEM = {
    "quota-exceeded": (_RATE_LIMIT, "rate_limit_exceeded"),
    "deadline-exceeded": (_SERVER, "timeout"),
    "all-targets-failed": (_SERVER, "service_unavailable"),
    "upstream-authentication": (_SERVER, "upstream_authentication"),
    "busy": (_SERVER, "service_unavailable"),
    "internal-error": (_SERVER, "internal_error"),
}
_NO_ANSWER = ("all-targets-failed", "deadline-exceeded")
_THROTTLES = {"ThrottlingException", "ServiceQuotaExceededException", "TooManyRequestsException"}
# Beside throttled attempts, these do not change that a later request can succeed.
_PERMANENT = {"AccessDeniedException", "ResourceNotFoundException", "ValidationException"}
_MAX_PROBLEMS = 20
# Anthropic's types by status. Its clients choose the class of an exception by the status.
_ANTHROPIC_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    422: "invalid_request_error",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}
# Messages of models for a request that exceeds their context.
_TOO_LONG = ("input is too long", "prompt is too long", "maximum context length", "context window")


@dataclass(frozen=True)
class ApiError:
    """An error of the streaming API.

    Attributes:
        status: the HTTP status.
        message: what is wrong, and what to do.
        type: OpenAI's `type`.
        code: OpenAI's `code`, or None.
        param: the path of the invalid field as the client wrote it, or None.
        headers: headers of the response.
    """

    status: int
    message: str
    type: str
    code: str | None = None
    param: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def openai_document(self) -> dict[str, Any]:
        """Return the document of OpenAI's APIs. It is also the last event of a stream that failed."""
        return {"error": {"message": self.message, "type": self.type, "param": self.param, "code": self.code}}

    def anthropic_document(self, request_id: str | None) -> dict[str, Any]:
        """Return the document of Anthropic's API. It is also the error event of a stream that failed.

        Its `details.error_code` is OpenAI's `code`: `type` does not distinguish a budget that is used up from
        throttled models.
        """
        error: dict[str, Any] = {
            "type": _ANTHROPIC_TYPES.get(self.status, "api_error"),
            "message": self.message,
        }
        if self.code is not None:
            error["details"] = {"error_code": self.code}
        return {"type": "error", "error": error, "request_id": request_id}


class RequestFailed(Exception):
    """A request has failed with an error of the API.

    Attributes:
        error: what the client gets.
    """

    def __init__(self, error: ApiError) -> None:
        super().__init__(error.message)
        self.error = error


def insufficient_quota(message: str) -> ApiError:
    """Return the error for a budget that is used up (429). A retry does not help."""
    return ApiError(429, message, "insufficient_quota", "insufficient_quota", headers=_NO_RETRY)


def rate_limited(message: str, *, retry_after: float) -> ApiError:
    """Return the error for too many requests (429). `retry_after` is in seconds."""
    headers = {"Retry-After": str(max(1, math.ceil(retry_after)))}
    return ApiError(429, message, _RATE_LIMIT, "rate_limit_exceeded", headers=headers)


def stream_interrupted(error: Exception | None) -> ApiError:
    """Return the error for a stream that was lost and could not be continued."""
    # Imported here, because most streams are complete.
    from lambdas.usage.budget_exceeded import BudgetExceeded

    reason = f": {error}".removesuffix(".") if error is not None else ""
    message = f"The answer was interrupted and could not be continued{reason}. It is incomplete."
    if isinstance(error, BudgetExceeded):
        return insufficient_quota(message)
    return ApiError(503, message, _SERVER, "stream_interrupted")


def stream_timed_out() -> ApiError:
    """Return the error for a stream that reaches the function's timeout."""
    return ApiError(504, "The answer took too long. It is incomplete.", _SERVER, "timeout")


def not_found(what: str) -> ApiError:
    """Return the error for an unknown path or model (404)."""
    return ApiError(404, f"Not found: {what}.", _INVALID, "not_found")


def method_not_allowed(allowed: str) -> ApiError:
    """Return the error for an unsupported method (405)."""
    return ApiError(
        405, f"Supported methods: {allowed}.", _INVALID, "method_not_allowed", headers={"Allow": allowed}
    )


def invalid_answer(message: str) -> ApiError:
    """Return the error for answers that are not in the requested format (422). Each was paid for."""
    return ApiError(422, message, "invalid_answer_error", "invalid_answer", headers=_NO_RETRY)


def api_error(error: Exception, *, reference: str, origins: Origins | None = None) -> ApiError:
    """Return the error for an exception. An unexpected exception is logged.

    Args:
        error: an exception of the mapping, of the check of a key, of the library or of AWS.
        reference: the id by which the log can be searched.
        origins: the client's paths, for problems that the library's validation finds.
    """
    if isinstance(error, RequestFailed):
        return error.error
    if isinstance(error, MappingError):
        return ApiError(400, str(error), _INVALID, error.code, error.param)
    # Imported here, because most requests succeed.
    from lambdas.api_keys.allowed_targets import KeyNotAllowed
    from lambdas.shared.problems import problem_from_error

    if isinstance(error, KeyNotAllowed):
        return ApiError(error.status, error.message, _INVALID, error.code, error.param)
    problem = problem_from_error(error, reference=reference)
    if problem.slug == "invalid-request":
        return _invalid_request(problem.errors, origins or {})
    if problem.slug == "budget-exceeded":
        return insufficient_quota(problem.detail)
    if problem.slug in _NO_ANSWER and _is_throttled(problem.more.get("attempts") or ()):
        return rate_limited(
            "The models are throttled. Retry later.",
            retry_after=float(problem.headers.get("Retry-After", "1")),
        )
    default = _INVALID if problem.status < HTTPStatus.INTERNAL_SERVER_ERROR else _SERVER
    type_, code = _BY_PROBLEM.get(problem.slug, (default, problem.slug))
    message = " ".join([problem.detail, "; ".join(problem.errors)]).strip()
    if problem.slug == "internal-error":
        message = f"Unexpected error. Request id: {reference}."
    return ApiError(problem.status, message, type_, code, headers=problem.headers)


def _invalid_request(problems: list[str], origins: Origins) -> ApiError:
    param: str | None = None
    texts = []
    for problem in problems:
        path, text = client_problem(problem, origins)
        param = param or path or None
        texts.append(f"{path}: {text}" if path else text)
    more = [f"and {len(texts) - _MAX_PROBLEMS} more problems"] if len(texts) > _MAX_PROBLEMS else []
    message = "; ".join([*texts[:_MAX_PROBLEMS], *more])
    if any(text in message.lower() for text in _TOO_LONG):
        return ApiError(400, message, _INVALID, "context_length_exceeded", client_path("messages", origins))
    return ApiError(400, message, _INVALID, "invalid_value" if param else None, param)


def _is_throttled(attempts: Any) -> bool:
    """Whether targets were throttled, and no other transient error happened."""
    codes = {(attempt["error"] or {}).get("code") for attempt in attempts}
    return bool(codes & _THROTTLES) and codes <= _THROTTLES | _PERMANENT
