"""Chat completions from answers."""

from __future__ import annotations

from typing import Any

from lambdas.streaming_api.answer_events import (
    AnswerEnd,
    AnswerUsage,
    BlockEnd,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    ToolCallStart,
    response_events,
)
from lambdas.streaming_api.chat_completions.reasoning_details import ReasoningDetails
from lambdas.streaming_api.chat_completions.request import ChatRequest
from lambdas.streaming_api.json_answer import json_text
from lambdas.streaming_api.service_tier import service_tier_of
from llmmanager import BedrockResponse

_FINISH_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
}


def completion(request: ChatRequest, response: BedrockResponse, *, id_: str, created: int) -> dict[str, Any]:
    """Return the chat completion for an answer.

    Args:
        id_: the id of the completion.
        created: the time in seconds since 1970.
    """
    message = _Message()
    finish_reason, usage = "stop", None
    for event in response_events(request, response):
        match event:
            case AnswerEnd():
                finish_reason = finish_reason_of(event)
            case AnswerUsage():
                usage = usage_of(event)
            case _:
                message.add(event)
    text = message.text
    if request.json_object or request.answer_tool is not None:
        text = json_text(text)
    answer: dict[str, Any] = {
        "id": id_,
        "object": "chat.completion",
        "created": created,
        "model": response.model_used,
        "choices": [
            {
                "index": 0,
                "message": message.document(text),
                "logprobs": None,
                "finish_reason": finish_reason,
            }
        ],
        "usage": usage,
    }
    tier = service_tier_of(response)
    return answer if tier is None else {**answer, "service_tier": tier}


def finish_reason_of(end: AnswerEnd) -> str:
    """Return OpenAI's reason for the end of an answer."""
    return _FINISH_REASONS.get(end.stop_reason, "stop")


def usage_of(event: AnswerUsage) -> dict[str, Any]:
    """Return OpenAI's token counts. `prompt_tokens` includes tokens read from and written to the cache."""
    return {
        "prompt_tokens": event.all_input,
        "completion_tokens": event.output,
        "total_tokens": event.all_input + event.output,
        "prompt_tokens_details": {
            "cached_tokens": event.cache_read,
            "cache_write_tokens": event.cache_written,
        },
    }


class _Message:
    """The assistant's message, from its events."""

    def __init__(self) -> None:
        self.text = ""
        self._reasoning = ""
        self._details: dict[int, dict[str, Any]] = {}
        self._pieces = ReasoningDetails()
        self._calls: list[dict[str, Any]] = []

    def add(self, event: Any) -> None:
        match event:
            case TextDelta():
                self.text += event.text
            case ReasoningDelta():
                self._reasoning += event.text
                self._add_details(self._pieces.piece(event))
            case BlockEnd():
                self._add_details(self._pieces.end(event.block))
            case ToolCallStart():
                function = {"name": event.name, "arguments": ""}
                self._calls.append({"id": event.id, "type": "function", "function": function})
            case ToolCallDelta():
                self._calls[event.call]["function"]["arguments"] += event.arguments

    def document(self, text: str) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None}
        if self._calls:
            message |= {"content": text or None, "tool_calls": self._calls}
        if self._reasoning:
            message["reasoning_content"] = self._reasoning
        if self._details:
            message["reasoning_details"] = [self._details[index] for index in sorted(self._details)]
        return message

    def _add_details(self, piece: dict[str, Any] | None) -> None:
        if piece is None:
            return
        entry = self._details.setdefault(piece["index"], {"type": piece["type"], "index": piece["index"]})
        for name in ("text", "signature", "data"):
            if name in piece:
                entry[name] = entry.get(name, "") + piece[name]
