"""The handler of the function behind the streaming API: from a proxy event to a streamed response."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from typing import Any

from lambdas.api_keys.api_key import KeyIdentity
from lambdas.buffered_response import buffered
from lambdas.contract import STREAMING_SECONDS
from lambdas.shared.api_route import match_path
from lambdas.shared.function_log import logger
from lambdas.shared.http_request import HttpRequest
from lambdas.streamed_response import StreamedResponse
from lambdas.streaming_api.api_error import RequestFailed, api_error, method_not_allowed, not_found
from lambdas.streaming_api.api_request import ApiRequest, uses_anthropic_format
from lambdas.streaming_api.cors import preflight_response, with_cors
from lambdas.streaming_api.error_response import error_response
from lambdas.streaming_api.routes import ROUTES


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: Any) -> StreamedResponse:
    """Respond to one request, on the streaming runtime."""
    request = HttpRequest(event, context, gateway_seconds=STREAMING_SECONDS)
    return with_cors(request, _respond(request))


@buffered
@logger.inject_lambda_context(clear_state=True)
def buffered_handler(event: dict[str, Any], context: Any) -> StreamedResponse:
    """Respond to one request, on the standard runtime: the response is sent when it is complete."""
    request = HttpRequest(event, context)
    return with_cors(request, _respond(request))


def _respond(request: HttpRequest) -> StreamedResponse:
    """Return the response. Every error becomes a document in the client's format."""
    if request.event.get("httpMethod") == "OPTIONS":
        return preflight_response(request)
    try:
        return _dispatch(request)
    except Exception as error:
        reference = str(request.context.aws_request_id)
        return error_response(
            api_error(error, reference=reference),
            request_id=reference,
            anthropic=uses_anthropic_format(request),
        )


def _dispatch(request: HttpRequest) -> StreamedResponse:
    segments = request.path.removeprefix("/").removesuffix("/").split("/")
    found = [(route, values) for route in ROUTES if (values := match_path(route.path, segments)) is not None]
    if not found:
        raise RequestFailed(not_found(f"path {request.path[:200]}"))
    for route, values in found:
        if route.method == request.event.get("httpMethod"):
            module, _, name = route.function.rpartition(".")
            function = getattr(import_module(f"lambdas.streaming_api.{module}"), name)
            identity = KeyIdentity.from_authorizer(request.event["requestContext"].get("authorizer") or {})
            response: StreamedResponse = function(
                ApiRequest(replace(request, path_parameters=values), identity)
            )
            return response
    raise RequestFailed(method_not_allowed(", ".join(route.method for route, _ in found)))
