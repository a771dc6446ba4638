"""Find the route of a request and call its function."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module

# Most requests are POST /v1/converse, so its module is imported when the function starts. The modules of
# other routes are imported when they are needed, to keep cold starts short.
import lambdas.http_api.converse  # noqa: F401
from lambdas.http_api.http_response import HttpResponse
from lambdas.http_api.routes import ROUTES
from lambdas.shared.http_request import HttpRequest
from lambdas.shared.problems import method_not_allowed, not_found


def respond(request: HttpRequest) -> HttpResponse:
    """Return the response to a request.

    Raises:
        Problem, InvalidRequest, LLMManagerError: the response is a problem document.
    """
    path = request.path
    # Like API Gateway, ignore one slash at the end. Any other spelling is another path in the policies that
    # control access, so it is another path here.
    segments = path.removeprefix("/").removesuffix("/").split("/")
    found = [(route, values) for route in ROUTES if (values := route.match(segments)) is not None]
    if not found:
        raise not_found(f"resource {path[:200]}")
    for route, values in found:
        if route.method == request.event.get("httpMethod"):
            module, _, name = route.function.rpartition(".")
            function = getattr(import_module(f"lambdas.http_api.{module}"), name)
            response: HttpResponse = function(replace(request, path_parameters=values))
            return response
    raise method_not_allowed(", ".join(route.method for route, _ in found))
