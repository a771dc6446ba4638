"""A streamed answer as server-sent events with the names of ConverseStream."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from lambdas.shared.converse_request import ConverseRequest
from lambdas.shared.function_log import log_payload
from lambdas.shared.http_request import HttpRequest
from lambdas.shared.problems import Problem, problem_from_error
from lambdas.shared.server_sent_events import CONTENT_TYPE, event
from lambdas.shared.shared_cooldowns import count_all_cooling
from lambdas.streamed_response import StreamDeadline
from lambdas.usage.budget_exceeded import BudgetExceeded
from lambdas.usage.call_recording import RecordedStream, open_recorded
from lambdas.usage.spending import open_spending
from llmmanager import BedrockResponse, Deadline, StreamingResponse
from llmmanager.bedrock.models.json_codec import encode_bytes
from llmmanager.json_format.codec import encode_response

ENTRY_POINT: Final = "http"
# Time to write an error event before the function's timeout.
_MARGIN_SECONDS: Final = 5.0


@dataclass(slots=True)
class ConverseAnswerStream:
    """The response of a streamed answer.

    Attributes:
        is_complete: whether all pieces of a complete answer have been returned.
    """

    http: HttpRequest
    recorded: RecordedStream
    is_complete: bool = field(default=False, init=False)

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers of the response."""
        return {"Content-Type": CONTENT_TYPE, "Cache-Control": "no-cache"}

    def pieces(self) -> Iterator[bytes]:
        """Yield Bedrock's events, and one event of this API.

        That is `answer` after a complete answer, with its attempts, usage and cost, or else `error` with a
        problem document. The stream is closed at the end, or when the generator is closed.
        """
        stream, reference = self.recorded.stream, str(self.http.context.aws_request_id)
        try:
            for data in stream.events():
                for name, value in data.items():
                    yield event(encode_bytes(value), name=name)
            if stream.success:
                yield event(_outcome(stream.get_response()), name="answer")
                self.is_complete = True
            else:
                yield _error_event(_interrupted(stream, reference))
        except StreamDeadline:
            yield _error_event(Problem("deadline-exceeded", "The answer took too long. It is incomplete."))
        except Exception as error:
            yield _error_event(problem_from_error(error, reference=reference))
        finally:
            self.close()

    def close(self) -> None:
        """End the answer and record it. Later calls have no effect."""
        self.recorded.close()


def open_answer(request: ConverseRequest, http: HttpRequest) -> ConverseAnswerStream:
    """Return the streamed answer when its first content has arrived.

    Raises:
        LLMManagerError: no model answered, the request is invalid, or a budget does not allow the call.
        InvalidRequest: a budget applies, and no model has a known price.
    """
    deadline = Deadline.after(http.seconds_left() - _MARGIN_SECONDS)
    spending = open_spending(request.caller)
    if spending.is_budgeted:
        request = request.within_budget()
    manager = request.manager()
    try:
        opened = open_recorded(
            lambda: manager.converse_stream_with_request(
                request.converse, deadline=deadline, before_attempt=spending.before_attempt
            ),
            spending,
            entry_point=ENTRY_POINT,
            log=partial(log_payload, request.converse),
        )
    finally:
        count_all_cooling(entry_point=ENTRY_POINT)
    return ConverseAnswerStream(http, opened)


def _outcome(response: BedrockResponse) -> Mapping[str, Any]:
    """Return what `POST /v1/converse` returns beside the message, which the client has received."""
    return {name: value for name, value in encode_response(response).items() if name != "modelOutput"}


def _interrupted(stream: StreamingResponse, reference: str) -> Problem:
    outcome, error = _outcome(stream.get_response()), stream.get_last_error()
    detail = "The answer was interrupted and could not be continued. It is incomplete."
    if isinstance(error, BudgetExceeded):
        budget = problem_from_error(error, reference=reference)
        return Problem(budget.slug, f"{detail} {budget.detail}", more={**budget.more, **outcome})
    errors = [] if error is None else [str(error)]
    return Problem("all-targets-failed", detail, errors=errors, more=outcome)


def _error_event(problem: Problem) -> bytes:
    return event(problem.document(), name="error")
