"""The header `Idempotency-Key`: a request that is sent twice with the same key runs once."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from lambdas.http_api.http_response import HttpResponse
from lambdas.shared.http_request import IDEMPOTENCY_HEADER, HttpRequest
from lambdas.shared.idempotency import IdempotencyError, fixed_id, idempotency_problem, run_once

# Returns the id for what the request starts. It is the same for each attempt with the same key.
FixedId = Callable[[], str]


def run_with_key(
    request: HttpRequest, route: str, body: Mapping[str, Any], work: Callable[[FixedId], HttpResponse]
) -> HttpResponse:
    """Return the response of `work`, or the earlier response to the same key.

    Args:
        work: gets a function that returns the id for what it starts. `work` must validate the body before it
            calls this function, because the call binds the key to the body.

    Raises:
        Problem: the key was used with another body, or its first request is still in progress.
        InvalidRequest: the key is malformed.
    """
    full_key = _full_key(request, route)
    if full_key is None:
        return work(_new_id)

    def run() -> list[Any]:
        response = work(lambda: fixed_id(full_key, body, _new_id()))
        return [response.status, response.body, dict(response.headers)]

    try:
        result = run_once(full_key, body, run, context=request.context)
    except IdempotencyError as error:
        raise idempotency_problem(error, name=IDEMPOTENCY_HEADER) from None
    status, response_body, headers = result.answer
    replay = {"Idempotent-Replay": "true"} if result.replayed else {}
    return HttpResponse(status, response_body, {**headers, **replay})


def id_with_key(request: HttpRequest, route: str, body: Mapping[str, Any], proposed: str) -> str:
    """Return the id for what a request creates: `proposed`, or that of an earlier request with the same key.

    Only the id is stored, so it suits a request whose response must not be stored.

    Raises:
        Problem: the key was used with another body, or the table of keys is unavailable.
        InvalidRequest: the key is malformed.
    """
    full_key = _full_key(request, route)
    if full_key is None:
        return proposed
    try:
        return fixed_id(full_key, body, proposed)
    except IdempotencyError as error:
        raise idempotency_problem(error, name=IDEMPOTENCY_HEADER) from None


def _full_key(request: HttpRequest, route: str) -> tuple[str, ...] | None:
    """Return the key of a request, which is different for each route and caller, or None."""
    key = request.idempotency_key()
    return None if key is None else ("http", route, request.caller, key)


def _new_id() -> str:
    """Return a new id that cannot be guessed and that sorts by time."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:16]}"
