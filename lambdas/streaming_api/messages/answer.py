"""Messages from answers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from lambdas.streaming_api.answer_events import AnswerEnd, AnswerEvent, AnswerUsage, response_events
from lambdas.streaming_api.json_answer import json_text
from lambdas.streaming_api.messages.answer_blocks import AnswerBlocks
from lambdas.streaming_api.messages.request import MessagesRequest
from llmmanager import BedrockResponse

_STOP_REASONS = {
    "end_turn": "end_turn",
    "stop_sequence": "stop_sequence",
    "tool_use": "tool_use",
    "max_tokens": "max_tokens",
    "model_context_window_exceeded": "model_context_window_exceeded",
    "guardrail_intervened": "refusal",
    "content_filtered": "refusal",
    "refusal": "refusal",
}
_REFUSALS = {
    "guardrail_intervened": "A guardrail intervened.",
    "content_filtered": "The content was filtered.",
}


def message(request: MessagesRequest, response: BedrockResponse, *, id_: str) -> dict[str, Any]:
    """Return the message for an answer. `id_` is its id."""
    blocks = _Content()
    end, usage = AnswerEnd("end_turn"), AnswerUsage({})
    for event in response_events(request, response):
        match event:
            case AnswerEnd():
                end = event
            case AnswerUsage():
                usage = event
            case _:
                blocks.add(event)
    content = blocks.finished()
    if request.answer_tool is not None:
        content = [
            {**block, "text": json_text(block["text"])} if block["type"] == "text" else block
            for block in content
        ]
    return {
        **new_message(id_, response.model_used),
        "content": content,
        **end_of(request, end),
        "usage": usage_of(usage, response),
    }


def new_message(id_: str, model: str | None) -> dict[str, Any]:
    """Return the members of a message before its content is known."""
    return {"id": id_, "type": "message", "role": "assistant", "model": model, "content": []}


def end_of(request: MessagesRequest, end: AnswerEnd) -> dict[str, Any]:
    """Return `stop_reason`, `stop_sequence`, and `stop_details` for a refusal.

    A model that does not report its stop sequence leaves it open if the request has several.
    """
    reason = _STOP_REASONS.get(end.stop_reason, "end_turn")
    sequence = end.stop_sequence
    if reason == "stop_sequence" and sequence is None and len(request.stop_sequences) == 1:
        sequence = request.stop_sequences[0]
    members: dict[str, Any] = {"stop_reason": reason, "stop_sequence": sequence}
    if reason == "refusal":
        explanation = _REFUSALS.get(end.stop_reason)
        members["stop_details"] = {"type": "refusal", "category": None, "explanation": explanation}
    return members


def usage_of(event: AnswerUsage, response: BedrockResponse | None = None) -> dict[str, Any]:
    """Return Anthropic's token counts. `input_tokens` has no tokens read from or written to the cache.

    Args:
        response: the answer, for its service tier.
    """
    counts: Mapping[str, Any] = event.usage
    written = event.cache_written
    by_lifetime = {
        detail.get("ttl"): detail.get("inputTokens") or 0 for detail in counts.get("cacheDetails") or ()
    }
    hour = by_lifetime.get("1h", 0)
    usage: dict[str, Any] = {
        "input_tokens": event.input,
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": event.cache_read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": by_lifetime.get("5m", max(0, written - hour)),
            "ephemeral_1h_input_tokens": hour,
        },
        "output_tokens": event.output,
    }
    data = (response.response_data if response is not None else None) or {}
    tier = (data.get("serviceTier") or {}).get("type")
    if tier is not None:
        usage["service_tier"] = "priority" if tier in ("priority", "reserved") else "standard"
    return usage


class _Content:
    """Joins the events of a stream to content blocks, as clients do."""

    def __init__(self) -> None:
        self._events = AnswerBlocks()
        self._blocks: list[dict[str, Any]] = []
        self._arguments: dict[int, str] = {}

    def add(self, event: AnswerEvent) -> None:
        self._join(self._events.write(event))

    def finished(self) -> list[dict[str, Any]]:
        self._join(self._events.end())
        for index, text in self._arguments.items():
            self._blocks[index]["input"] = _arguments(text)
        return self._blocks

    def _join(self, events: Iterable[dict[str, Any]]) -> None:
        for event in events:
            if event["type"] == "content_block_start":
                self._blocks.append(event["content_block"])
            elif event["type"] == "content_block_delta":
                self._add_delta(event["index"], event["delta"])

    def _add_delta(self, index: int, delta: dict[str, Any]) -> None:
        block = self._blocks[index]
        match delta["type"]:
            case "input_json_delta":
                self._arguments[index] = self._arguments.get(index, "") + delta["partial_json"]
            case "citations_delta":
                block.setdefault("citations", []).append(delta["citation"])
            case "signature_delta":
                block["signature"] = delta["signature"]
            case "thinking_delta":
                block["thinking"] += delta["thinking"]
            case _:
                block["text"] += delta["text"]


def _arguments(text: str) -> Mapping[str, Any]:
    value = json.loads(text)
    return value if isinstance(value, dict) else {"arguments": value}
