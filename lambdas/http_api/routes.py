"""Which function answers which call."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import unquote

from lambdas.http_api import converse
from lambdas.http_api.calls import Answer, Call
from lambdas.shared.problems import method_not_allowed, not_found

_Methods = dict[str, Callable[[], Answer]]


def answer(call: Call) -> Answer:
    """The answer to a call.

    Raises:
        Problem, InvalidRequest, LLMManagerError: there is another answer than a good one.
    """
    path = call.path
    methods = _methods(call, path)
    if methods is None:
        raise not_found(f"resource {path[:200]}")
    respond = methods.get(str(call.event.get("httpMethod")))
    if respond is None:
        raise method_not_allowed(", ".join(methods))
    return respond()


def _methods(call: Call, path: str) -> _Methods | None:
    # Most of what is sent is POST /v1/converse: a cold start does not wait for the modules of the others.
    # One slash at the end is as good as none to API Gateway. Any other spelling is another path to the
    # policies that say who may call what, and so it is here.
    match path.removeprefix("/").removesuffix("/").split("/"):
        case ["v1", "converse"]:
            return {"POST": lambda: converse.post(call)}
        case ["v1", "validate"]:
            return {"POST": lambda: converse.validate(call)}
        case ["v1", "batches", *which]:
            return _batch_methods(call, which)
        case ["v1", "requests", id_]:
            from lambdas.http_api import requests

            return {"GET": lambda: requests.get(id_)}
        # The ARN of a profile is a name too, and has a slash in it.
        case ["v1", "models", *name, "access"] if name:
            from lambdas.http_api import models

            return {"GET": lambda: models.access(call, unquote("/".join(name)))}
        case ["v1", "models" | "health" as what]:
            from lambdas.http_api import models

            return {"GET": models.get if what == "models" else models.health}
    return None


def _batch_methods(call: Call, which: list[str]) -> _Methods | None:
    from lambdas.http_api import batches, executions

    match which:
        case []:
            return {"GET": lambda: executions.recent(call), "POST": lambda: batches.post(call)}
        case [batch_id]:
            return {"GET": lambda: batches.get(batch_id)}
        case [batch_id, "stop"]:
            return {"POST": lambda: executions.stop(batch_id)}
        case [batch_id, "resume"]:
            return {"POST": lambda: executions.resume(batch_id)}
    return None
