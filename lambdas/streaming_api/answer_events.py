"""An answer as a sequence of events, whether it is streamed or complete.

The APIs build their responses from these events, so that a complete answer and a streamed one have the same
content. Tools have the client's names, and the arguments of the answer tool are text.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from lambdas.streaming_api.mapped_request import MappedRequest
from llmmanager import BedrockResponse

ConverseEvent = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TextDelta:
    """A piece of the answer's text."""

    block: int
    text: str


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """A piece of the model's reasoning: text, a signature, or encrypted content."""

    block: int
    text: str = ""
    signature: str = ""
    encrypted: bytes = b""


@dataclass(frozen=True, slots=True)
class ToolCallStart:
    """The start of a tool call. `call` counts the answer's tool calls from 0."""

    block: int
    call: int
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class ToolCallDelta:
    """A piece of the JSON text of a tool call's arguments."""

    block: int
    call: int
    arguments: str


@dataclass(frozen=True, slots=True)
class CitationEvent:
    """A source of the text of a block, in the form of Converse."""

    block: int
    citation: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class BlockEnd:
    """The end of a content block."""

    block: int


@dataclass(frozen=True, slots=True)
class AnswerEnd:
    """The end of the answer. An interrupted stream has none.

    Attributes:
        stop_reason: Converse's reason. If the model only called the answer tool, it is "end_turn", and after
            any other tool call it is "tool_use".
        stop_sequence: the stop sequence that ended the answer, if the model reported it.
    """

    stop_reason: str
    stop_sequence: str | None = None


@dataclass(frozen=True, slots=True)
class AnswerUsage:
    """The token counts of the answer, with Converse's names."""

    usage: Mapping[str, Any]

    @property
    def cache_read(self) -> int:
        """The tokens read from the cache."""
        return self._count("cacheReadInputTokens")

    @property
    def cache_written(self) -> int:
        """The tokens written to the cache."""
        return self._count("cacheWriteInputTokens")

    @property
    def input(self) -> int:
        """The tokens of the request, without those read from and written to the cache."""
        return self._count("inputTokens")

    @property
    def all_input(self) -> int:
        """The tokens of the request, with those read from and written to the cache."""
        return self.input + self.cache_read + self.cache_written

    @property
    def output(self) -> int:
        """The tokens of the answer."""
        return self._count("outputTokens")

    def _count(self, name: str) -> int:
        value = self.usage.get(name)
        return value if isinstance(value, int) else 0


AnswerEvent: TypeAlias = (
    TextDelta
    | ReasoningDelta
    | CitationEvent
    | ToolCallStart
    | ToolCallDelta
    | BlockEnd
    | AnswerEnd
    | AnswerUsage
)


def answer_events(request: MappedRequest, events: Iterable[ConverseEvent]) -> Iterator[AnswerEvent]:
    """Yield the events of a streamed answer, as they come.

    With an answer tool, text is held back: it is dropped if the model calls the tool, and it is the answer if
    the model does not.
    """
    reader = _Reader(request)
    for event in events:
        yield from reader.read(event)


def response_events(request: MappedRequest, response: BedrockResponse) -> Iterator[AnswerEvent]:
    """Yield the events of a complete answer."""
    return answer_events(request, _as_stream(response))


@dataclass(slots=True)
class _Reader:
    """Reads the events of one answer.

    Attributes:
        calls: the number of each tool call, by its block.
        answer_blocks: the blocks with calls of the answer tool.
        without_arguments: the blocks with calls that have no arguments so far.
        open_text: the blocks with text or reasoning.
        held_back: the text of blocks that is held back.
    """

    request: MappedRequest
    calls: dict[int, int] = field(default_factory=dict)
    answer_blocks: set[int] = field(default_factory=set)
    without_arguments: set[int] = field(default_factory=set)
    open_text: set[int] = field(default_factory=set)
    held_back: dict[int, str] = field(default_factory=dict)

    def read(self, event: ConverseEvent) -> Iterator[AnswerEvent]:
        if "contentBlockDelta" in event:
            members = event["contentBlockDelta"]
            yield from self._delta(members.get("contentBlockIndex", 0), members.get("delta") or {})
        elif "contentBlockStart" in event:
            members = event["contentBlockStart"]
            yield from self._start(members.get("contentBlockIndex", 0), members.get("start") or {})
        elif "contentBlockStop" in event:
            yield from self._stop(event["contentBlockStop"].get("contentBlockIndex", 0))
        elif "messageStop" in event:
            yield from self._end(event["messageStop"])
        elif "metadata" in event and event["metadata"].get("usage"):
            yield AnswerUsage(event["metadata"]["usage"])

    def _start(self, block: int, start: Mapping[str, Any]) -> Iterator[AnswerEvent]:
        use = start.get("toolUse")
        # The result of a tool that Bedrock runs itself is part of the answer, and no call for the client.
        if use is None or use.get("type") == "server_tool_use":
            return
        name = use.get("name", "")
        if name == self.request.answer_tool:
            self.without_arguments.add(block)
            self.answer_blocks.add(block)
            return
        if self.request.one_tool_call and self.calls:
            return
        self.without_arguments.add(block)
        self.calls[block] = len(self.calls)
        yield ToolCallStart(
            block, self.calls[block], use.get("toolUseId", ""), self.request.tool_names.get(name, name)
        )

    def _delta(self, block: int, delta: Mapping[str, Any]) -> Iterator[AnswerEvent]:
        if delta.get("text"):
            self.open_text.add(block)
            if self.request.answer_tool is None:
                yield TextDelta(block, delta["text"])
            else:
                self.held_back[block] = self.held_back.get(block, "") + delta["text"]
        elif "reasoningContent" in delta:
            self.open_text.add(block)
            part = delta["reasoningContent"]
            members = part.get("text", ""), part.get("signature", ""), part.get("redactedContent", b"")
            if any(members):
                yield ReasoningDelta(block, *members)
        elif "citation" in delta:
            # An answer in JSON has no citations.
            if self.request.answer_tool is None:
                self.open_text.add(block)
                yield CitationEvent(block, delta["citation"])
        elif "toolUse" in delta:
            yield from self._arguments(block, delta["toolUse"].get("input") or "")

    def _arguments(self, block: int, text: str) -> Iterator[AnswerEvent]:
        if not text:
            return
        self.without_arguments.discard(block)
        if block in self.answer_blocks:
            yield TextDelta(block, text)
        elif block in self.calls:
            yield ToolCallDelta(block, self.calls[block], text)

    def _stop(self, block: int) -> Iterator[AnswerEvent]:
        if block in self.without_arguments:
            yield from self._arguments(block, "{}")
        is_held_back = block in self.held_back
        if (
            block in self.calls or block in self.answer_blocks or block in self.open_text
        ) and not is_held_back:
            yield BlockEnd(block)

    def _end(self, stop: Mapping[str, Any]) -> Iterator[AnswerEvent]:
        stop_reason = str(stop.get("stopReason") or "end_turn")
        if not self.answer_blocks:
            for block, text in self.held_back.items():
                yield TextDelta(block, text)
                yield BlockEnd(block)
        if self.calls and stop_reason == "end_turn":
            stop_reason = "tool_use"
        if self.answer_blocks and not self.calls and stop_reason == "tool_use":
            stop_reason = "end_turn"
        reported = stop.get("additionalModelResponseFields")
        sequence = reported.get("stop_sequence") if isinstance(reported, Mapping) else None
        yield AnswerEnd(stop_reason, sequence if isinstance(sequence, str) else None)


def _as_stream(response: BedrockResponse) -> Iterator[ConverseEvent]:
    """Yield the events with which Bedrock would stream a complete answer."""
    for index, block in enumerate(response.get_content_blocks()):
        if "toolUse" in block:
            use = block["toolUse"]
            yield {"contentBlockStart": {"contentBlockIndex": index, "start": {"toolUse": use}}}
            yield _delta(
                index, {"toolUse": {"input": json.dumps(use.get("input") or {}, ensure_ascii=False)}}
            )
        for delta in _deltas(block):
            yield _delta(index, delta)
        yield {"contentBlockStop": {"contentBlockIndex": index}}
    data = response.response_data or {}
    yield {
        "messageStop": {
            "stopReason": response.get_stop_reason(),
            "additionalModelResponseFields": data.get("additionalModelResponseFields"),
        }
    }
    yield {"metadata": {"usage": data.get("usage")}}


def _deltas(block: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    if "text" in block:
        yield {"text": block["text"]}
    for part in block.get("citationsContent", {}).get("content") or ():
        yield {"text": part.get("text", "")}
    for citation in block.get("citationsContent", {}).get("citations") or ():
        yield {"citation": citation}
    reasoning = block.get("reasoningContent", {})
    for name, value in reasoning.get("reasoningText", {}).items():
        yield {"reasoningContent": {name: value}}
    if "redactedContent" in reasoning:
        yield {"reasoningContent": {"redactedContent": reasoning["redactedContent"]}}


def _delta(index: int, delta: Mapping[str, Any]) -> ConverseEvent:
    return {"contentBlockDelta": {"contentBlockIndex": index, "delta": delta}}
