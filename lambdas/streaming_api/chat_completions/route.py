"""POST /chat/completions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from lambdas.shared.server_sent_events import DONE, event
from lambdas.streamed_response import StreamedResponse
from lambdas.streaming_api.answer_route import respond
from lambdas.streaming_api.api_error import ApiError
from lambdas.streaming_api.api_request import ApiRequest
from lambdas.streaming_api.chat_completions.answer import completion
from lambdas.streaming_api.chat_completions.request import ChatRequest, read_chat_request
from lambdas.streaming_api.chat_completions.stream import completion_chunks
from lambdas.streaming_api.client_api import ClientApi
from llmmanager import StreamingResponse


def post(request: ApiRequest) -> StreamedResponse:
    """Return a chat completion.

    Raises:
        The exceptions of `answer_route.respond`.
    """
    return respond(request, _API)


def _stream(request: ChatRequest, stream: StreamingResponse, *, id_: str, created: int) -> Iterator[bytes]:
    return map(event, completion_chunks(request, stream, id_=id_, created=created))


def _error_event(error: ApiError) -> bytes:
    return event(error.openai_document())


_API: Final = ClientApi(
    name="chat-completions",
    id_prefix="chatcmpl-",
    max_tokens_fields=("max_completion_tokens", "max_tokens"),
    read=read_chat_request,
    answer=completion,
    stream=_stream,
    error_event=_error_event,
    end_of_stream=DONE,
)
