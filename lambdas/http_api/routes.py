"""The route table: which function responds to which method and path."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import unquote

from lambdas.http_api import converse
from lambdas.http_api.http_messages import HttpRequest, HttpResponse
from lambdas.shared.problems import method_not_allowed, not_found

_Methods = dict[str, Callable[[], HttpResponse]]


def respond(request: HttpRequest) -> HttpResponse:
    """Return the response to a request.

    Raises:
        Problem, InvalidRequest, LLMManagerError: the response is a problem document.
    """
    path = request.path
    methods = _methods(request, path)
    if methods is None:
        raise not_found(f"resource {path[:200]}")
    route = methods.get(str(request.event.get("httpMethod")))
    if route is None:
        raise method_not_allowed(", ".join(methods))
    return route()


def _methods(request: HttpRequest, path: str) -> _Methods | None:
    # Most requests are POST /v1/converse. The modules of other routes are imported when they are needed, to
    # keep cold starts short. Like API Gateway, ignore one slash at the end. Any other spelling is another
    # path in the policies that control access, so it is another path here.
    match path.removeprefix("/").removesuffix("/").split("/"):
        case ["v1", "converse"]:
            return {"POST": lambda: converse.post(request)}
        case ["v1", "validate"]:
            return {"POST": lambda: converse.validate(request)}
        case ["v1", "batches", *rest]:
            return _batch_methods(request, rest)
        case ["v1", "requests", id_]:
            from lambdas.http_api import async_requests

            return {"GET": lambda: async_requests.get(id_)}
        # A name can be the ARN of a profile, which contains a slash.
        case ["v1", "models", *name, "access"] if name:
            from lambdas.http_api import models

            return {"GET": lambda: models.access(request, unquote("/".join(name)))}
        case ["v1", "models" | "health" as resource]:
            from lambdas.http_api import models

            return {"GET": models.get if resource == "models" else models.health}
    return None


def _batch_methods(request: HttpRequest, rest: list[str]) -> _Methods | None:
    from lambdas.http_api import batch_actions, batches

    match rest:
        case []:
            return {"GET": lambda: batch_actions.list_batches(request), "POST": lambda: batches.post(request)}
        case [batch_id]:
            return {"GET": lambda: batches.get(batch_id)}
        case [batch_id, "stop"]:
            return {"POST": lambda: batch_actions.stop(batch_id)}
        case [batch_id, "resume"]:
            return {"POST": lambda: batch_actions.resume(batch_id)}
    return None
