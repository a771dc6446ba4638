"""Chunks of a streamed chat completion."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lambdas.streaming_api.answer_events import (
    AnswerEnd,
    AnswerUsage,
    BlockEnd,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    ToolCallStart,
    answer_events,
)
from lambdas.streaming_api.api_error import stream_interrupted
from lambdas.streaming_api.chat_completions.answer import finish_reason_of, usage_of
from lambdas.streaming_api.chat_completions.reasoning_details import FIELD, ReasoningDetails
from lambdas.streaming_api.chat_completions.request import ChatRequest
from lambdas.streaming_api.service_tier import service_tier_of
from llmmanager import StreamingResponse


def completion_chunks(
    request: ChatRequest, stream: StreamingResponse, *, id_: str, created: int
) -> Iterator[dict[str, Any]]:
    """Yield the chunks of a streamed answer, as it arrives.

    The first chunk has the role, and the last one the reason for the end. With
    `stream_options.include_usage`, one more chunk without choices has the token counts. If the answer is
    interrupted, the last item is an error document, and no chunk has a reason for the end: `data: [DONE]`
    must be sent only after an answer with an end.

    Args:
        id_: the id of the completion.
        created: the time in seconds since 1970.
    """
    base = {
        "id": id_,
        "object": "chat.completion.chunk",
        "created": created,
        "model": stream.model_used,
    }
    if request.include_usage:
        base["usage"] = None
    details = ReasoningDetails()
    has_ended, usage = False, None
    yield _chunk(base, {"role": "assistant", "content": ""})
    for event in answer_events(request, stream.events()):
        match event:
            case AnswerEnd():
                has_ended = True
                yield _chunk(base, {}, finish_reason=finish_reason_of(event))
            case AnswerUsage():
                usage = usage_of(event)
            case _:
                delta = _delta(event, details)
                if delta:
                    yield _chunk(base, delta)
    if not has_ended:
        yield stream_interrupted(stream.get_last_error()).openai_document()
    elif request.include_usage:
        tier = service_tier_of(stream.get_response())
        yield {**base, "choices": [], "usage": usage} | ({} if tier is None else {"service_tier": tier})


def _chunk(
    base: dict[str, Any], delta: dict[str, Any], *, finish_reason: str | None = None
) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    return {**base, "choices": [choice]}


def _delta(event: Any, details: ReasoningDetails) -> dict[str, Any]:
    match event:
        case TextDelta():
            return {"content": event.text}
        case ReasoningDelta():
            entry = details.piece(event)
            found: dict[str, Any] = {"reasoning_content": event.text} if event.text else {}
            return found if entry is None else {**found, FIELD: [entry]}
        case BlockEnd():
            entry = details.end(event.block)
            return {} if entry is None else {FIELD: [entry]}
        case ToolCallStart():
            function = {"name": event.name, "arguments": ""}
            call = {"index": event.call, "id": event.id, "type": "function", "function": function}
            return {"tool_calls": [call]}
        case ToolCallDelta():
            return {"tool_calls": [{"index": event.call, "function": {"arguments": event.arguments}}]}
    return {}
