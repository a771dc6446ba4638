"""`Idempotency-Key`: a call that is sent twice is made once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lambdas.http_api.calls import Answer, Call
from lambdas.shared.codec import InvalidRequest
from lambdas.shared.idempotency import InProgress, KeyReused, StoreUnavailable, run_once
from lambdas.shared.problems import Problem

HEADER = "Idempotency-Key"
MAX_KEY_LENGTH = 255


def once(call: Call, door: str, body: Mapping[str, Any], work: Callable[[], Answer]) -> Answer:
    """What `work` answers; with a key that came before, what it answered then.

    Raises:
        Problem: the key came with another body, or its first call is not answered yet.
        InvalidRequest: the key is none.
    """
    key = call.header(HEADER)
    if key is None:
        return work()
    if not 0 < len(key) <= MAX_KEY_LENGTH or not key.isprintable():
        raise InvalidRequest([f"{HEADER}: must be 1 to {MAX_KEY_LENGTH} printable characters"])

    def kept() -> list[Any]:
        answer = work()
        return [answer.status, answer.body, dict(answer.headers)]

    try:
        found = run_once(("http", door, call.caller, key), body, kept, context=call.context)
    except KeyReused:
        detail = f"This {HEADER} came with another request before; each request needs a key of its own."
        raise Problem(422, "idempotency-key-reused", detail) from None
    except InProgress:
        detail = f"The first request with this {HEADER} is not answered yet."
        raise Problem(409, "in-progress", detail, headers={"Retry-After": "5"}) from None
    except StoreUnavailable:
        detail = f"Whether this {HEADER} came before cannot be told now, so the request was not made."
        raise Problem(503, "store-unavailable", detail, headers={"Retry-After": "5"}) from None
    status, answer, headers = found.answer
    return Answer(status, answer, {**headers, "Idempotent-Replay": "true"} if found.replayed else headers)
