"""POST /v1/converse and POST /v1/validate: answer or validate one request."""

from __future__ import annotations

from lambdas.http_api import async_requests
from lambdas.http_api.http_response import HttpResponse
from lambdas.http_api.idempotency_key import run_with_key
from lambdas.shared.converse_request import ConverseRequest, read_request, send_request
from lambdas.shared.http_request import HttpRequest
from lambdas.usage.caller import UNKNOWN, Caller
from llmmanager.json_format.codec import InvalidRequest

# Time to write the response before API Gateway's timeout.
_MARGIN_SECONDS = 1.0


def post(request: HttpRequest) -> HttpResponse:
    """Answer a Converse request with the requested models and regions, or the configured ones.

    With `Prefer: respond-async`, queue the request.

    Raises:
        InvalidRequest: the request is invalid.
        Problem, LLMManagerError: no model answered, or no answer was valid.
    """
    body = request.body()
    converse_request = read_request(body, Caller(request.caller or UNKNOWN))
    is_async = async_requests.is_preferred(request)
    # One route name for both: a key identifies the request, whether it is asynchronous or not.
    return run_with_key(
        request,
        "converse",
        body,
        lambda fixed_id: (
            async_requests.submit(body, request, fixed_id())
            if is_async
            else _answer(converse_request, request)
        ),
    )


def validate(request: HttpRequest) -> HttpResponse:
    """Return the errors of a body for `POST /v1/converse`, without calling a model."""
    body = request.body()
    try:
        read_request(body, Caller(request.caller or UNKNOWN))
    except InvalidRequest as error:
        return HttpResponse(200, {"valid": False, "errors": error.reasons})
    return HttpResponse(200, {"valid": True, "errors": []})


def _answer(converse_request: ConverseRequest, request: HttpRequest) -> HttpResponse:
    seconds = request.seconds_left() - _MARGIN_SECONDS
    return HttpResponse(200, send_request(converse_request, seconds=seconds, entry_point="http"))
