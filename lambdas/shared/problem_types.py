"""The types of problems: their status, what they mean, and where callers see them.

The meanings are data of the documentation. Only its tests and `make reference` read them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

Place = Literal["response", "outcome", "queue"]


class ProblemType(NamedTuple):
    """What all problems of a type have in common.

    Attributes:
        meaning: what has happened.
        can_retry: whether the response has the header Retry-After.
        place: where the type is seen: "response" (of the HTTP API), "outcome" (only in the outcome of an
            asynchronous request, never as the status of a response) or "queue" (only in the dead-letter
            queue).
    """

    status: int
    meaning: str
    can_retry: bool = False
    place: Place = "response"


PROBLEM_TYPES: Final[Mapping[str, ProblemType]] = {
    "invalid-request": ProblemType(400, "the request is invalid, or every model rejected it as invalid"),
    "own-outcome": ProblemType(
        400, "the message is an outcome of this stack, sent back by a rule or a reply queue", place="queue"
    ),
    "budget-exceeded": ProblemType(
        402, "the call may cost more than is left of a budget; `resetsAt` is when its next period begins"
    ),
    "not-found": ProblemType(404, "the path, batch, request, model or key does not exist"),
    "method-not-allowed": ProblemType(405, "the path supports other methods (`Allow`)"),
    "in-progress": ProblemType(
        409, "the first request with this `Idempotency-Key` is still in progress", can_retry=True
    ),
    "batch-ended": ProblemType(409, "the batch cannot be stopped, because it has ended in another way"),
    "batch-not-resumable": ProblemType(409, "the batch is running or complete"),
    "key-created": ProblemType(
        409,
        "an earlier request with this `Idempotency-Key` created the key `keyId`, which is not shown again",
    ),
    "idempotency-key-reused": ProblemType(422, "the `Idempotency-Key` was used with another body"),
    "answer-refused": ProblemType(
        422, "models answered, but no answer follows the rules of `responseValidation` or the `outputSchema`"
    ),
    "answer-incomplete": ProblemType(
        422,
        "with `outputSchema`, the answer was cut off or refused, or calls a tool: see `stopReason`",
    ),
    "quota-exceeded": ProblemType(
        429,
        "the quotas of the models are used up; `Retry-After` is the number of seconds until they allow the "
        "request",
        can_retry=True,
    ),
    "internal-error": ProblemType(500, "an unexpected error; search the log for `requestId`"),
    "never-ended": ProblemType(500, "the function stopped during each of five tries", place="outcome"),
    "upstream-authentication": ProblemType(502, "Bedrock rejects the credentials of this deployment"),
    "reply-not-taken": ProblemType(502, "the queue of `replyTo` rejects the outcome", place="queue"),
    "all-targets-failed": ProblemType(
        503, "no model answered in any region; `attempts` has the reasons", can_retry=True
    ),
    "busy": ProblemType(503, "an AWS service behind the API fails or throttles", can_retry=True),
    "store-unavailable": ProblemType(
        503,
        "the table of `Idempotency-Key`s or of budgets is unavailable, so the request was not run",
        can_retry=True,
    ),
    "deadline-exceeded": ProblemType(504, "no model answered in time", can_retry=True),
    "lost": ProblemType(504, "the request expired in the queue before it was answered", place="outcome"),
}
