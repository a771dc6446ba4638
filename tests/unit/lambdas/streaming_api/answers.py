"""Answers of Bedrock for tests: complete, and as the events of a stream."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from llmmanager import BedrockResponse
from llmmanager.bedrock.models.stream_message import StreamMessage

USAGE = {
    "inputTokens": 10,
    "outputTokens": 5,
    "totalTokens": 15,
    "cacheReadInputTokens": 100,
    "cacheWriteInputTokens": 1000,
}
REASONING = {"reasoningContent": {"reasoningText": {"text": "Hm", "signature": "c2ln"}}}
ENCRYPTED = {"reasoningContent": {"redactedContent": b"secret"}}
CALL = {"toolUse": {"toolUseId": "id1", "name": "weather", "input": {"city": "Lima"}}}
ANSWER_CALL = {"toolUse": {"toolUseId": "id2", "name": "answer_report", "input": {"celsius": 19}}}


class Source:
    """A stream of given events, which may end early with an error."""

    time_to_first_token_ms = 1.0

    def __init__(self, events: Iterable[Any], error: Exception | None = None) -> None:
        self._events = list(events)
        self._error = error
        self._message = StreamMessage()

    def __iter__(self) -> Any:
        for event in self._events:
            self._message.add(event)
            yield event

    def close(self) -> None:
        pass

    def response(self) -> BedrockResponse:
        return BedrockResponse(
            success=self._message.ended,
            response_data=self._message.response(),
            model_used="amazon.nova-lite-v1:0",
            error=self._error,
        )


def answered(*blocks: Any, stop_reason: str = "end_turn", **more: Any) -> BedrockResponse:
    message = {"role": "assistant", "content": list(blocks)}
    data = {"output": {"message": message}, "stopReason": stop_reason, "usage": USAGE, **more}
    return BedrockResponse(success=True, response_data=data, model_used="amazon.nova-lite-v1:0")


def events(*blocks: Any, stop_reason: str = "end_turn", **more: Any) -> list[Any]:
    """Return the events with which Bedrock streams these blocks, in small pieces."""
    found: list[Any] = [{"messageStart": {"role": "assistant"}}]
    for index, block in enumerate(blocks):
        if "toolUse" in block:
            use = {name: block["toolUse"][name] for name in ("toolUseId", "name")}
            found.append({"contentBlockStart": {"contentBlockIndex": index, "start": {"toolUse": use}}})
        found += [
            {"contentBlockDelta": {"contentBlockIndex": index, "delta": delta}} for delta in pieces(block)
        ]
        found.append({"contentBlockStop": {"contentBlockIndex": index}})
    return [*found, {"messageStop": {"stopReason": stop_reason}}, {"metadata": {"usage": USAGE, **more}}]


def pieces(block: Any) -> list[Any]:
    if "text" in block:
        return [{"text": letter} for letter in block["text"]]
    if "toolUse" in block:
        return [{"toolUse": {"input": letter}} for letter in json.dumps(block["toolUse"]["input"])]
    reasoning = block["reasoningContent"]
    if "redactedContent" in reasoning:
        return [
            {"reasoningContent": {"redactedContent": bytes([byte])}} for byte in reasoning["redactedContent"]
        ]
    members = reasoning["reasoningText"].items()
    return [{"reasoningContent": {name: letter}} for name, value in members for letter in value]
