"""Puts the events of a stream together into the response that Converse would have given."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

Event = Mapping[str, Any]


class StreamMessage:
    """The message so far. A block that a broken stream left open counts as far as it came."""

    def __init__(self) -> None:
        self._blocks: dict[int, dict[str, Any]] = {}
        self._role = ""
        self._end: dict[str, Any] = {}
        self._metadata: dict[str, Any] = {}

    def add(self, event: Event) -> str | None:
        """Take in one event; the text that it adds, if any."""
        if "contentBlockDelta" in event:
            delta = event["contentBlockDelta"]
            return self._add_delta(delta["contentBlockIndex"], delta["delta"])
        if "contentBlockStart" in event:
            start = event["contentBlockStart"]
            self._blocks[start["contentBlockIndex"]] = {
                kind: dict(members) for kind, members in start["start"].items()
            }
        elif "messageStart" in event:
            self._role = event["messageStart"]["role"]
        elif "messageStop" in event:
            self._end = dict(event["messageStop"])
        elif "metadata" in event:
            self._metadata = dict(event["metadata"])
        return None

    @property
    def is_started(self) -> bool:
        """Whether the message has been announced."""
        return bool(self._role)

    @property
    def ended(self) -> bool:
        """Whether the model has said that it is done."""
        return bool(self._end)

    @property
    def text(self) -> str:
        """All text so far."""
        return "".join(block["text"] for block in self._in_order() if isinstance(block.get("text"), str))

    @property
    def is_text_only(self) -> bool:
        """Whether nothing but text has come, so that it can be said back to a model."""
        return all(set(block) == {"text"} for block in self._blocks.values())

    @property
    def last_index(self) -> int:
        """Index of the block that text was last added to; 0 before there is any."""
        return max(self._blocks, default=0)

    def response(self) -> dict[str, Any] | None:
        """The Converse response as far as it is known; None before any content."""
        if not self._blocks and not self._end:
            return None
        content = [_finished(block) for block in self._in_order()]
        return {
            "output": {"message": {"role": self._role or "assistant", "content": content}},
            **self._end,
            **self._metadata,
        }

    def _in_order(self) -> list[dict[str, Any]]:
        return [self._blocks[index] for index in sorted(self._blocks)]

    def _add_delta(self, index: int, delta: Event) -> str | None:
        block = self._blocks.setdefault(index, {})
        if "text" in delta:
            block["text"] = block.get("text", "") + delta["text"]
            return str(delta["text"])
        if "toolUse" in delta:
            use = block.setdefault("toolUse", {})
            use["input"] = use.get("input", "") + delta["toolUse"].get("input", "")
        elif "reasoningContent" in delta:
            _add_reasoning(block.setdefault("reasoningContent", {}), delta["reasoningContent"])
        elif "citation" in delta:
            block.setdefault("citationsContent", {}).setdefault("citations", []).append(delta["citation"])
        else:
            for kind, member in delta.items():
                _add_other(block.setdefault(kind, {}), member)
        return None


def _add_reasoning(block: dict[str, Any], delta: Event) -> None:
    if "redactedContent" in delta:
        block["redactedContent"] = block.get("redactedContent", b"") + delta["redactedContent"]
        return
    text = block.setdefault("reasoningText", {"text": ""})
    text["text"] += delta.get("text", "")
    if "signature" in delta:
        text["signature"] = delta["signature"]


def _add_other(block: dict[str, Any], delta: Any) -> None:
    if isinstance(delta, Mapping):
        block.update(delta)
    elif isinstance(delta, list):  # a tool's result comes as lists of its parts
        block["content"] = [*block.get("content", ()), *delta]
    else:
        block["content"] = delta


def _finished(block: Mapping[str, Any]) -> dict[str, Any]:
    """A block in the form that Converse gives it: a tool's input parsed, cited text among its citations."""
    finished = dict(block)
    if isinstance(finished.get("toolUse"), dict):
        use = finished["toolUse"]
        finished["toolUse"] = {**use, "input": _parsed(use.get("input", ""))}
    if "citationsContent" in finished and "text" in finished:
        text = finished.pop("text")
        finished["citationsContent"] = {"content": [{"text": text}], **finished["citationsContent"]}
    return finished


def _parsed(text: str) -> Any:
    """A tool's input; what a broken stream left half said stays text."""
    try:
        return json.loads(text) if text else {}
    except ValueError:
        return text
