"""The content blocks of an answer, as the events of a stream."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any, Literal

from lambdas.streaming_api.answer_events import (
    AnswerEvent,
    BlockEnd,
    CitationEvent,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    ToolCallStart,
)
from lambdas.streaming_api.messages.citations import citation_of

_Kind = Literal["text", "thinking", "redacted_thinking", "tool_use"]


class AnswerBlocks:
    """Writes the events `content_block_start`, `content_block_delta` and `content_block_stop`.

    Blocks are numbered from 0 without gaps, and one is open at a time. Clients replace the signature of a
    block by each `signature_delta`, and expect the data of encrypted reasoning at the start of its block. So
    both are collected until the block ends.
    """

    def __init__(self) -> None:
        self._index = -1
        self._tool_indexes: dict[int, int] = {}
        self._open: tuple[int, _Kind] | None = None
        self._signature = ""
        self._encrypted = b""

    def write(self, event: AnswerEvent) -> Iterator[dict[str, Any]]:
        """Yield the events for a piece of the answer."""
        match event:
            case TextDelta():
                yield from self._ensure(event.block, "text", {"type": "text", "text": ""})
                yield self._delta({"type": "text_delta", "text": event.text})
            case CitationEvent():
                citation = citation_of(event.citation)
                if citation is not None:
                    yield from self._ensure(event.block, "text", {"type": "text", "text": ""})
                    yield self._delta({"type": "citations_delta", "citation": citation})
            case ReasoningDelta():
                yield from self._reasoning(event)
            case ToolCallStart():
                block = {"type": "tool_use", "id": event.id, "name": event.name, "input": {}}
                yield from self._ensure(event.block, "tool_use", block)
                self._tool_indexes[event.block] = self._index
            case ToolCallDelta():
                delta = {"type": "input_json_delta", "partial_json": event.arguments}
                yield {**self._delta(delta), "index": self._tool_indexes[event.block]}
            case BlockEnd():
                if self._open is not None and self._open[0] == event.block:
                    yield from self.end()

    def end(self) -> Iterator[dict[str, Any]]:
        """Yield the end of the open block, if there is one."""
        if self._open is None:
            return
        _, kind = self._open
        if kind == "redacted_thinking":
            data = base64.b64encode(self._encrypted).decode("ascii")
            yield self._start({"type": kind, "data": data})
        if kind == "thinking" and self._signature:
            yield self._delta({"type": "signature_delta", "signature": self._signature})
        self._open, self._signature, self._encrypted = None, "", b""
        yield {"type": "content_block_stop", "index": self._index}

    def _reasoning(self, event: ReasoningDelta) -> Iterator[dict[str, Any]]:
        if event.encrypted:
            yield from self._change(event.block, "redacted_thinking")
            self._encrypted += event.encrypted
            return
        yield from self._ensure(
            event.block, "thinking", {"type": "thinking", "thinking": "", "signature": ""}
        )
        self._signature += event.signature
        if event.text:
            yield self._delta({"type": "thinking_delta", "thinking": event.text})

    def _ensure(self, block: int, kind: _Kind, start: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Yield the start of a block unless it is open."""
        if self._open != (block, kind):
            yield from self._change(block, kind)
            yield self._start(start)

    def _change(self, block: int, kind: _Kind) -> Iterator[dict[str, Any]]:
        if self._open != (block, kind):
            yield from self.end()
            self._open = (block, kind)

    def _start(self, block: dict[str, Any]) -> dict[str, Any]:
        self._index += 1
        return {"type": "content_block_start", "index": self._index, "content_block": block}

    def _delta(self, delta: dict[str, Any]) -> dict[str, Any]:
        return {"type": "content_block_delta", "index": self._index, "delta": delta}
