"""Headers with which web pages of other origins may call the API."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from lambdas.shared.http_request import HttpRequest
from lambdas.shared.settings import cors_origins
from lambdas.streamed_response import StreamedResponse

_ANY: Final = "*"
_PREFLIGHT: Final = {
    "Access-Control-Allow-Methods": "GET, POST, OPTIONS",
    # The wildcard does not include Authorization.
    "Access-Control-Allow-Headers": "Authorization, *",
    "Access-Control-Max-Age": "86400",
}


def preflight_response(request: HttpRequest) -> StreamedResponse:
    """Return the response to an OPTIONS request, which has no API key."""
    return StreamedResponse(204, _PREFLIGHT if _allowed_origin(request) else {}, [])


def with_cors(request: HttpRequest, response: StreamedResponse) -> StreamedResponse:
    """Return the response with the headers that let a page of a configured origin read it."""
    allowed = _allowed_origin(request)
    if allowed is None:
        return response
    headers = {
        **response.headers,
        "Access-Control-Allow-Origin": allowed,
        "Access-Control-Expose-Headers": "*",
    }
    if allowed != _ANY:
        headers["Vary"] = "Origin"
    return replace(response, headers=headers)


def _allowed_origin(request: HttpRequest) -> str | None:
    configured = cors_origins()
    if _ANY in configured:
        return _ANY
    origin = request.header("Origin")
    return origin if origin in configured else None
