"""One request of an event, answered: the same steps, whoever sent it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lambdas.events.envelopes import Asked, Stored
from lambdas.shared import clients
from lambdas.shared.codec import InvalidRequest
from lambdas.shared.idempotency import InProgress, KeyReused, StoreUnavailable, run_once
from lambdas.shared.json_text import InvalidJson, parse
from lambdas.shared.observability import log_unexpected
from lambdas.shared.problems import Problem, internal_error, problem_of
from lambdas.shared.question import ask, read_question
from lambdas.shared.settings import batch_settings

# What it takes, when the model is done, to keep the answer and to send it.
MARGIN_SECONDS = 10.0


@dataclass(frozen=True)
class Outcome:
    """What became of a request: an answer, or the problem instead of one."""

    request_id: str
    answer: dict[str, Any] | None = None
    problem: Problem | None = None

    @property
    def status(self) -> str:
        """`answered` or `failed`."""
        return "failed" if self.answer is None else "answered"

    def to_json(self) -> dict[str, Any]:
        """The outcome as every reply tells it."""
        told = {"requestId": self.request_id, "status": self.status}
        if self.problem is not None:
            return {**told, "error": self.problem.document()}
        return {**told, "answer": self.answer}


def load(stored: Stored) -> Asked:
    """The request that lies in the bucket.

    Raises:
        InvalidRequest: what lies there is none, or nothing does.
    """
    s3 = clients.s3()
    try:
        found = s3.get_object(Bucket=batch_settings().bucket, Key=stored.request_key)
    except s3.exceptions.NoSuchKey:
        raise InvalidRequest([f"requestKey: there is no {stored.request_key} (any more)"]) from None
    try:
        body = parse(found["Body"].read())
    except InvalidJson as error:
        raise InvalidRequest([f"request: {error}"]) from None
    if not isinstance(body, dict):
        raise InvalidRequest(["request: must be a JSON object"])
    return Asked(stored.request_id, ("request", stored.request_id), body, caller=stored.caller)


def answer(asked: Asked, context: Any) -> dict[str, Any]:
    """The answer, in the form of `POST /v1/converse`.

    Raises:
        InvalidRequest: it cannot be made.
        Problem, LLMManagerError: nothing answered it, or nothing as it must be.
    """
    question = read_question(asked.body)
    seconds = context.get_remaining_time_in_millis() / 1000 - MARGIN_SECONDS
    return ask(question, seconds=seconds, door="events", caller=asked.caller)


def answer_once(asked: Asked, context: Any, *, work: Callable[[Asked, Any], dict[str, Any]] = answer) -> Any:
    """The answer; that of an earlier delivery, if there was one.

    Args:
        work: what else to do where there was none.

    Raises:
        InvalidRequest, Problem, LLMManagerError: as `work`.
        KeyReused, InProgress, StoreUnavailable: it was not run.
    """
    return run_once(("events", *asked.key), asked.body, lambda: work(asked, context), context=context).answer


def as_problem(error: Exception, *, reference: str) -> Problem:
    """What an error means to the sender of a request.

    Args:
        reference: what the log can be searched for when nobody foresaw the error.
    """
    match error:
        case KeyReused():
            return Problem(
                422, "idempotency-key-reused", "The idempotencyKey came with another request before."
            )
        case InProgress():
            return Problem(
                409, "in-progress", "The first request with this idempotencyKey is not answered yet."
            )
        case StoreUnavailable():
            return Problem(
                503,
                "store-unavailable",
                "Whether the request came before cannot be told, so it was not made.",
            )
    problem = problem_of(error)
    if problem is None:
        log_unexpected(error)
        problem = internal_error(reference)
    return problem
