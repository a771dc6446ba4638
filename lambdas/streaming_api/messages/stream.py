"""Events of a streamed message."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lambdas.streaming_api.answer_events import AnswerEnd, AnswerUsage, answer_events
from lambdas.streaming_api.api_error import stream_interrupted
from lambdas.streaming_api.messages.answer import end_of, new_message, usage_of
from lambdas.streaming_api.messages.answer_blocks import AnswerBlocks
from lambdas.streaming_api.messages.request import MessagesRequest
from llmmanager import StreamingResponse

# Clients replace these counts by those of `message_delta`, and keep others.
_NO_TOKENS = {
    "input_tokens": 0,
    "cache_creation_input_tokens": 0,
    "cache_read_input_tokens": 0,
    "output_tokens": 0,
}


def message_events(
    request: MessagesRequest, stream: StreamingResponse, *, id_: str, request_id: str | None = None
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the names and the data of the events of a streamed answer, as it arrives.

    Bedrock reports token counts at the end, so those of `message_start` are 0 and `message_delta` has all of
    them. If the answer is interrupted, the last event is `error`, and there is no `message_stop`.

    Args:
        id_: the id of the message.
        request_id: the id of the request, for an error.
    """
    blocks = AnswerBlocks()
    end: AnswerEnd | None = None
    usage = AnswerUsage({})
    start = {
        **new_message(id_, stream.model_used),
        "stop_reason": None,
        "stop_sequence": None,
        "usage": _NO_TOKENS,
    }
    yield "message_start", {"type": "message_start", "message": start}
    yield "ping", {"type": "ping"}
    for event in answer_events(request, stream.events()):
        match event:
            case AnswerEnd():
                end = event
            case AnswerUsage():
                usage = event
            case _:
                for document in blocks.write(event):
                    yield document["type"], document
    if end is None:
        yield "error", stream_interrupted(stream.get_last_error()).anthropic_document(request_id)
        return
    for document in blocks.end():
        yield document["type"], document
    delta = {"type": "message_delta", "delta": end_of(request, end), "usage": usage_of(usage)}
    yield "message_delta", delta
    yield "message_stop", {"type": "message_stop"}
