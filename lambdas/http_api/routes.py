"""Which function answers which request, and the body that it is handed."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any

from lambdas.http_api import batches, converse, models
from lambdas.http_api.problems import method_not_allowed, not_found
from lambdas.shared.codec import InvalidRequest
from lambdas.shared.json_text import InvalidJson, parse


def answer(event: Mapping[str, Any], context: Any) -> tuple[int, Any]:
    """Status and body of the answer to a proxy event.

    Raises:
        Problem, InvalidRequest, LLMManagerError: there is another answer than a good one.
    """
    path = str(event.get("path") or "/")
    methods: dict[str, Callable[[], tuple[int, Any]]]
    match path.strip("/").split("/"):
        case ["v1", "converse"]:
            methods = {"POST": lambda: converse.post(body_of(event), context, caller=caller_of(event))}
        case ["v1", "batches"]:
            methods = {"POST": lambda: batches.post(body_of(event))}
        case ["v1", "batches", batch_id]:
            methods = {"GET": lambda: batches.get(batch_id)}
        case ["v1", "models"]:
            methods = {"GET": models.get}
        case _:
            raise not_found(f"resource {path}")
    respond = methods.get(str(event.get("httpMethod")))
    if respond is None:
        raise method_not_allowed(", ".join(methods))
    return respond()


def caller_of(event: Mapping[str, Any]) -> str | None:
    """ARN of the identity that signed the request, as API Gateway has verified it."""
    identity = (event.get("requestContext") or {}).get("identity") or {}
    return identity.get("userArn") or None


def body_of(event: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON object that was sent.

    Raises:
        InvalidRequest: there is none.
    """
    text = event.get("body")
    if not text:
        raise InvalidRequest(["body: must be a JSON object (got nothing)"])
    try:
        body = parse(base64.b64decode(text, validate=True) if event.get("isBase64Encoded") else text)
    except InvalidJson as error:
        raise InvalidRequest([f"body: {error}"]) from None
    except ValueError:
        raise InvalidRequest(["body: must be base64 text, as isBase64Encoded says"]) from None
    if not isinstance(body, dict):
        raise InvalidRequest(["body: must be a JSON object"])
    return body
