"""`Idempotency-Key`: a call that is sent twice is made once."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from lambdas.http_api.calls import Answer, Call
from lambdas.shared.codec import InvalidRequest
from lambdas.shared.idempotency import InProgress, KeyReused, StoreUnavailable, fixed_id, run_once
from lambdas.shared.problems import Problem

HEADER = "Idempotency-Key"
MAX_KEY_LENGTH = 255

# Returns the id for what the call starts, the same one for each attempt under one key.
FixedId = Callable[[], str]


def once(call: Call, route: str, body: Mapping[str, Any], work: Callable[[FixedId], Answer]) -> Answer:
    """Return what `work` answers; with a key that came before, what it answered then.

    Args:
        work: gets a function that returns the id for what it starts. It must not be called before the body is
            known to be valid: from then on, the key is bound to the body.

    Raises:
        Problem: the key came with another body, or its first call is not answered yet.
        InvalidRequest: the key is malformed.
    """
    key = call.header(HEADER)
    if key is None:
        return work(_new_id)
    if not 0 < len(key) <= MAX_KEY_LENGTH or not key.isprintable():
        raise InvalidRequest([f"{HEADER}: must be 1 to {MAX_KEY_LENGTH} printable characters"])
    full_key = ("http", route, call.caller, key)

    def kept() -> list[Any]:
        answer = work(lambda: fixed_id(full_key, body, _new_id()))
        return [answer.status, answer.body, dict(answer.headers)]

    try:
        found = run_once(full_key, body, kept, context=call.context)
    except KeyReused:
        detail = f"This {HEADER} came with another request before; each request needs a key of its own."
        raise Problem(422, "idempotency-key-reused", detail) from None
    except InProgress:
        detail = f"The first request with this {HEADER} is not answered yet."
        raise Problem(409, "in-progress", detail, headers={"Retry-After": "5"}) from None
    except StoreUnavailable:
        detail = f"It cannot be determined whether this {HEADER} came before, so the request was not made."
        raise Problem(503, "store-unavailable", detail, headers={"Retry-After": "5"}) from None
    status, answer, headers = found.answer
    return Answer(status, answer, {**headers, "Idempotent-Replay": "true"} if found.replayed else headers)


def _new_id() -> str:
    """A new id that cannot be guessed, and sorts by time."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:16]}"
