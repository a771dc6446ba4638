"""Errors of the streaming API that API Gateway itself returns, in a format that clients of both APIs read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class GatewayError:
    """An error of API Gateway.

    Attributes:
        name: id of the construct.
        response_type: API Gateway's type of the error.
        type: `error.type` of Anthropic's API.
        code: `error.code` of OpenAI's API.
        message: None for API Gateway's message.
        status: None for API Gateway's status.
        retry_after: seconds, for errors after which a client should retry.
    """

    name: str
    response_type: str
    type: str
    code: str
    message: str | None = None
    status: int | None = None
    retry_after: int | None = None

    @property
    def document(self) -> dict[str, Any]:
        """The body of the response. `$context` variables stand for values of the request."""
        error = {
            "type": self.type,
            "message": self.message or "$context.error.message",
            "code": self.code,
            "param": None,
        }
        return {"type": "error", "error": error, "request_id": "$context.requestId"}

    def headers(self, *, for_web_pages: bool) -> dict[str, str]:
        """Return the headers of the response.

        Args:
            for_web_pages: whether pages of other origins may read the error, which has nothing private.
        """
        headers = {"Content-Type": "application/json"}
        if self.retry_after is not None:
            headers["Retry-After"] = str(self.retry_after)
        if for_web_pages:
            headers["Access-Control-Allow-Origin"] = "*"
        return headers


_UNCHECKED: Final = "The API key could not be checked. Retry later."
GATEWAY_ERRORS: Final = (
    GatewayError("Default4xx", "DEFAULT_4XX", "invalid_request_error", "bad_request"),
    GatewayError("Default5xx", "DEFAULT_5XX", "api_error", "internal_error"),
    GatewayError(
        "Unauthorized",
        "UNAUTHORIZED",
        "authentication_error",
        "invalid_api_key",
        "The API key is missing, invalid, expired or revoked. Send it as Authorization: Bearer, or to "
        "the routes of the Messages API as x-api-key.",
    ),
    GatewayError("AccessDenied", "ACCESS_DENIED", "permission_error", "permission_denied"),
    GatewayError(
        "TooLarge",
        "REQUEST_TOO_LARGE",
        "request_too_large",
        "request_too_large",
        "The request is too large. Lambda accepts 6 MB.",
    ),
    GatewayError("Throttled", "THROTTLED", "rate_limit_error", "rate_limit_exceeded", retry_after=1),
    # The function of the authorizer failed. By default, the caller gets a bare 500.
    GatewayError(
        "KeyNotChecked",
        "AUTHORIZER_FAILURE",
        "api_error",
        "service_unavailable",
        _UNCHECKED,
        status=503,
        retry_after=2,
    ),
    GatewayError(
        "AuthorizerNotRun",
        "AUTHORIZER_CONFIGURATION_ERROR",
        "api_error",
        "service_unavailable",
        _UNCHECKED,
        status=503,
        retry_after=2,
    ),
    # Lambda has no free concurrency for the function. By default, the caller gets a bare 500.
    GatewayError(
        "NotRun",
        "INTEGRATION_FAILURE",
        "overloaded_error",
        "service_unavailable",
        "The API is at its concurrency limit, and the request was not started. Retry later.",
        status=503,
        retry_after=2,
    ),
    GatewayError(
        "TimedOut",
        "INTEGRATION_TIMEOUT",
        "timeout_error",
        "timeout",
        "The response was not ready in time.",
    ),
)


def response_template(body: Mapping[str, Any]) -> str:
    """Return API Gateway's template for a JSON document.

    Args:
        body: the document. The value "$context.error.message" stands for API Gateway's message.
    """
    # messageString is the message as a JSON string, with its quotes.
    return json.dumps(body).replace('"$context.error.message"', "$context.error.messageString")
