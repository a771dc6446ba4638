"""POST /responses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from lambdas.shared.server_sent_events import event
from lambdas.streamed_response import StreamedResponse
from lambdas.streaming_api.answer_route import respond
from lambdas.streaming_api.api_error import ApiError
from lambdas.streaming_api.api_request import ApiRequest
from lambdas.streaming_api.client_api import ClientApi
from lambdas.streaming_api.responses.answer import response_object
from lambdas.streaming_api.responses.request import ResponsesRequest, read_responses_request
from lambdas.streaming_api.responses.stream import error_event, response_events
from llmmanager import StreamingResponse


def post(request: ApiRequest) -> StreamedResponse:
    """Return a response.

    Raises:
        The exceptions of `answer_route.respond`.
    """
    return respond(request, _API)


def _stream(
    request: ResponsesRequest, stream: StreamingResponse, *, id_: str, created: int
) -> Iterator[bytes]:
    return map(_named, response_events(request, stream, id_=id_, created=created))


def _named(data: dict[str, Any]) -> bytes:
    return event(data, name=data["type"])


def _error_event(error: ApiError) -> bytes:
    return _named(error_event(error))


_API: Final = ClientApi(
    name="responses",
    id_prefix="resp_",
    max_tokens_fields=("max_output_tokens",),
    read=read_responses_request,
    answer=response_object,
    stream=_stream,
    error_event=_error_event,
)
