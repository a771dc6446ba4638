"""Answer one request of a message or an invocation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lambdas.events.message_formats import InlineRequest, StoredRequest
from lambdas.shared import stored_requests
from lambdas.shared.converse_request import read_request, send_request
from lambdas.shared.idempotency import IdempotencyError, idempotency_problem, run_once
from lambdas.shared.problems import Problem, problem_from_error
from lambdas.usage.caller import UNKNOWN, Caller
from llmmanager.json_format.codec import InvalidRequest
from llmmanager.json_format.json_text import InvalidJson, parse

# Time to store and send the answer before Lambda's timeout.
MARGIN_SECONDS = 10.0


@dataclass(frozen=True)
class Outcome:
    """The result of a request: an answer or a problem."""

    request_id: str
    answer: dict[str, Any] | None = None
    problem: Problem | None = None

    @property
    def status(self) -> str:
        """`answered` or `failed`."""
        return "failed" if self.answer is None else "answered"

    def to_json(self) -> dict[str, Any]:
        """Return the outcome as it is sent, as JSON-ready data."""
        data = {"requestId": self.request_id, "status": self.status}
        if self.problem is not None:
            return {**data, "error": self.problem.document()}
        return {**data, "answer": self.answer}


def load_request(stored: StoredRequest) -> InlineRequest:
    """Return a stored request with its body.

    Raises:
        InvalidRequest: the object is missing, or is not a JSON object.
    """
    text = stored_requests.read_request(stored.request_id)
    if text is None:
        key = stored_requests.request_key(stored.request_id)
        raise InvalidRequest([f"requestKey: {key} does not exist, or has expired"])
    try:
        body = parse(text)
    except InvalidJson as error:
        raise InvalidRequest([f"request: {error}"]) from None
    if not isinstance(body, dict):
        raise InvalidRequest(["request: must be a JSON object"])
    return InlineRequest(stored.request_id, ("request", stored.request_id), body, caller=stored.caller)


def answer_request(request: InlineRequest, context: Any) -> dict[str, Any]:
    """Return the answer, in the form of `POST /v1/converse`.

    Raises:
        InvalidRequest: the request is invalid.
        Problem, LLMManagerError: no model answered, or no answer was valid.
    """
    converse_request = read_request(request.body, Caller(request.caller or UNKNOWN))
    seconds = context.get_remaining_time_in_millis() / 1000 - MARGIN_SECONDS
    return send_request(converse_request, seconds=seconds, entry_point="events")


def answer_request_once(
    request: InlineRequest,
    context: Any,
    *,
    work: Callable[[InlineRequest, Any], dict[str, Any]] = answer_request,
) -> dict[str, Any]:
    """Return the answer of an earlier delivery, or else what `work` returns.

    Raises:
        InvalidRequest, Problem, LLMManagerError: raised by `work`.
        KeyReused, InProgress, StoreUnavailable: `work` was not called.
    """
    key = ("events", *request.key)
    return run_once(key, request.body, lambda: work(request, context), context=context).answer


def message_problem(error: Exception, *, reference: str) -> Problem:
    """Return the problem for an error of a request in a message.

    Args:
        reference: the id by which the log can be searched for an unexpected error.
    """
    if isinstance(error, IdempotencyError):
        return idempotency_problem(error, name="idempotencyKey")
    return problem_from_error(error, reference=reference)
