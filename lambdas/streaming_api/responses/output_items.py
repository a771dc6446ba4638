"""The items of a response, and the events that build each of them.

An item is added with `status` "in_progress", grows by deltas, and is done with its final content. The events
here have no `sequence_number`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from lambdas.streaming_api.answer_events import ReasoningDelta, TextDelta, ToolCallDelta
from lambdas.streaming_api.responses.reasoning_items import encrypted_content
from lambdas.streaming_api.responses.tool_namespaces import ToolName

Status = Literal["in_progress", "completed", "incomplete"]
Event = dict[str, Any]


class OutputItem(Protocol):
    """An item of a response."""

    def document(self, status: Status) -> dict[str, Any]:
        """Return the item with its content so far."""

    def begin(self) -> Iterator[Event]:
        """Yield the events of a new item."""

    def add(self, delta: Any) -> Iterator[Event]:
        """Yield the events of more content."""

    def end(self, status: Status) -> Iterator[Event]:
        """Yield the events of an item that has all its content."""


@dataclass(frozen=True, slots=True)
class Place:
    """The place of an item in its response."""

    item_id: str
    output_index: int

    def event(self, type_: str, **members: Any) -> Event:
        """Return an event about the item's content."""
        return {
            "type": f"response.{type_}",
            "item_id": self.item_id,
            "output_index": self.output_index,
            **members,
        }

    def item_event(self, type_: str, item: Mapping[str, Any]) -> Event:
        """Return an event about the item itself."""
        return {
            "type": f"response.output_item.{type_}",
            "output_index": self.output_index,
            "item": item,
        }


@dataclass(slots=True)
class MessageItem:
    """A message with one part of text."""

    place: Place
    text: str = ""

    def document(self, status: Status) -> dict[str, Any]:
        return self._document(status, [self._part()])

    def begin(self) -> Iterator[Event]:
        yield self.place.item_event("added", self._document("in_progress", []))
        yield self.place.event("content_part.added", content_index=0, part=self._part())

    def add(self, delta: TextDelta) -> Iterator[Event]:
        self.text += delta.text
        yield self.place.event("output_text.delta", content_index=0, delta=delta.text, logprobs=[])

    def end(self, status: Status) -> Iterator[Event]:
        yield self.place.event("output_text.done", content_index=0, text=self.text, logprobs=[])
        yield self.place.event("content_part.done", content_index=0, part=self._part())
        yield self.place.item_event("done", self.document(status))

    def _document(self, status: Status, content: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "id": self.place.item_id,
            "type": "message",
            "status": status,
            "role": "assistant",
            "content": content,
        }

    def _part(self) -> dict[str, Any]:
        return {"type": "output_text", "text": self.text, "annotations": [], "logprobs": []}


@dataclass(slots=True)
class ReasoningItem:
    """The reasoning of a model: its text as a summary, and what the model needs to read it again."""

    place: Place
    text: str = ""
    signature: str = ""
    redacted: bytes = b""
    has_part: bool = field(default=False, init=False)

    def document(self, status: Status) -> dict[str, Any]:
        return {
            "id": self.place.item_id,
            "type": "reasoning",
            "status": status,
            "summary": [self._part()] if self.has_part else [],
            "encrypted_content": encrypted_content(self.text, self.signature, self.redacted),
        }

    def begin(self) -> Iterator[Event]:
        yield self.place.item_event("added", self.document("in_progress"))

    def add(self, delta: ReasoningDelta) -> Iterator[Event]:
        self.signature += delta.signature
        self.redacted += delta.encrypted
        if not delta.text:
            return
        if not self.has_part:
            yield self.place.event("reasoning_summary_part.added", summary_index=0, part=self._part())
            self.has_part = True
        self.text += delta.text
        yield self.place.event("reasoning_summary_text.delta", summary_index=0, delta=delta.text)

    def end(self, status: Status) -> Iterator[Event]:
        if self.has_part:
            yield self.place.event("reasoning_summary_text.done", summary_index=0, text=self.text)
            yield self.place.event("reasoning_summary_part.done", summary_index=0, part=self._part())
        yield self.place.item_event("done", self.document(status))

    def _part(self) -> dict[str, Any]:
        return {"type": "summary_text", "text": self.text}


@dataclass(slots=True)
class FunctionCallItem:
    """A call of one of the client's functions."""

    place: Place
    call_id: str
    name: ToolName
    arguments: str = ""

    def document(self, status: Status) -> dict[str, Any]:
        names = {"name": self.name.name}
        if self.name.namespace:
            names["namespace"] = self.name.namespace
        return {
            "id": self.place.item_id,
            "type": "function_call",
            "status": status,
            "call_id": self.call_id,
            **names,
            "arguments": self.arguments,
        }

    def begin(self) -> Iterator[Event]:
        yield self.place.item_event("added", self.document("in_progress"))

    def add(self, delta: ToolCallDelta) -> Iterator[Event]:
        self.arguments += delta.arguments
        yield self.place.event("function_call_arguments.delta", delta=delta.arguments)

    def end(self, status: Status) -> Iterator[Event]:
        yield self.place.event("function_call_arguments.done", name=self.name.name, arguments=self.arguments)
        yield self.place.item_event("done", self.document(status))
