"""Events of a streamed response."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

from lambdas.streaming_api.answer_events import answer_events
from lambdas.streaming_api.api_error import ApiError, stream_interrupted
from lambdas.streaming_api.responses.request import ResponsesRequest
from lambdas.streaming_api.responses.response_builder import ResponseBuilder
from lambdas.streaming_api.service_tier import service_tier_of
from llmmanager import StreamingResponse


def response_events(
    request: ResponsesRequest, stream: StreamingResponse, *, id_: str, created: int
) -> Iterator[dict[str, Any]]:
    """Yield the events of a streamed answer, as it arrives. An event's `type` is also its name.

    The last event is `response.completed`; `response.incomplete` if the answer was cut off; and
    `response.failed` if it was interrupted.

    Args:
        id_: the id of the response: `resp_` and letters or digits.
        created: the time in seconds since 1970.
    """
    numbers = count()
    for event in _events(request, stream, ResponseBuilder(request, id_=id_, created=created)):
        yield {**event, "sequence_number": next(numbers)}


def error_event(error: ApiError) -> dict[str, Any]:
    """Return the last event of a stream that ends by an error outside of the answer, such as a timeout.

    Its number is always 0, because the number of the event before it is not known.
    """
    return {
        "type": "error",
        "code": error.code,
        "message": error.message,
        "param": error.param,
        "sequence_number": 0,
    }


def _events(
    request: ResponsesRequest, stream: StreamingResponse, builder: ResponseBuilder
) -> Iterator[dict[str, Any]]:
    begun = builder.in_progress(model=stream.model_used)
    yield {"type": "response.created", "response": begun}
    yield {"type": "response.in_progress", "response": begun}
    for event in answer_events(request, stream.events()):
        yield from builder.add(event)
    if builder.has_ended:
        tier = service_tier_of(stream.get_response())
        response = builder.ended(model=stream.model_used, service_tier=tier)
    else:
        error = stream_interrupted(stream.get_last_error())
        response = builder.failed(error, model=stream.model_used)
    yield {"type": f"response.{response['status']}", "response": response}
