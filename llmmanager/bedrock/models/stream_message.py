"""Assembles the events of ConverseStream into a response in the form of Converse."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from llmmanager.bedrock.models.answer_content import without_blank_text

Event = Mapping[str, Any]

_KNOWN_DELTAS = ("text", "toolUse", "toolResult", "reasoningContent", "citation", "image")
_KNOWN_STARTS = ("toolUse", "toolResult", "image")


def text_of(event: Event) -> str | None:
    """Return the text of a content block delta, or None for other events."""
    text = _member(_member(event, "contentBlockDelta"), "delta").get("text")
    return text if isinstance(text, str) else None


class StreamMessage:
    """The message received so far. An incomplete block of an interrupted stream is included."""

    def __init__(self) -> None:
        self._blocks: dict[int, dict[str, Any]] = {}
        self._unknown: dict[int, list[dict[str, Any]]] = {}
        self._role = ""
        self._end: dict[str, Any] = {}
        self._metadata: dict[str, Any] = {}

    def add(self, event: Event) -> str | None:
        """Add one event. Return its text, or None."""
        if "contentBlockDelta" in event:
            delta = _member(event, "contentBlockDelta")
            return self._add_delta(_index(delta), _member(delta, "delta"))
        if "contentBlockStart" in event:
            start = _member(event, "contentBlockStart")
            self._add_start(_index(start), _member(start, "start"))
        elif "messageStart" in event:
            self._role = str(_member(event, "messageStart").get("role") or "assistant")
        elif "messageStop" in event:
            self._end = {"stopReason": None, **_member(event, "messageStop")}
        elif "metadata" in event:
            self._metadata = dict(_member(event, "metadata"))
        return None

    @property
    def is_started(self) -> bool:
        """Whether `messageStart` was received."""
        return bool(self._role)

    @property
    def ended(self) -> bool:
        """Whether `messageStop` was received."""
        return bool(self._end)

    @property
    def text(self) -> str:
        """All text received so far."""
        return "".join(
            block["text"] for _, block in sorted(self._blocks.items()) if isinstance(block.get("text"), str)
        )

    @property
    def is_text_only(self) -> bool:
        """Whether only text was received, which can be sent back to a model for continuation."""
        return not self._unknown and all(set(block) == {"text"} for block in self._blocks.values())

    @property
    def last_index(self) -> int:
        """Highest index of a content block; 0 if there is none."""
        return max((*self._blocks, *self._unknown), default=0)

    @property
    def warnings(self) -> list[str]:
        """One message for each kind of content that `response()` leaves out."""
        left_out = [
            kind for index in list(self._unknown) if not self._is_whole(index) for kind in self._kinds(index)
        ]
        return [
            f"the answer contains an unknown content type ({kind}), which was left out: its parts cannot be "
            "assembled"
            for kind in dict.fromkeys(left_out)
        ]

    def response(self) -> dict[str, Any] | None:
        """Return the response received so far in the form of Converse, or None before any content.

        Blank text blocks are left out. A block of an unknown type is included if it came in one event.
        """
        if not self._blocks and not self._unknown and not self._end:
            return None
        content = []
        for index in sorted({*self._blocks, *self._unknown}):
            if self._is_whole(index):
                content.append(self._unknown[index][0])
            else:
                content.append(_finished(self._blocks.get(index, {})))
        message = {"role": self._role or "assistant", "content": without_blank_text(content)}
        return {"output": {"message": message}, **self._end, **self._metadata}

    def _is_whole(self, index: int) -> bool:
        """Whether the block has an unknown type and came in one event."""
        return index not in self._blocks and len(self._unknown[index]) == 1

    def _kinds(self, index: int) -> list[str]:
        return [str(kind) for piece in self._unknown[index] for kind in piece]

    def _add_start(self, index: int, start: Event) -> None:
        for kind, members in start.items():
            if kind in _KNOWN_STARTS and isinstance(members, Mapping):
                self._blocks.setdefault(index, {})[kind] = dict(members)
            else:
                self._unknown.setdefault(index, []).append({kind: members})

    def _add_delta(self, index: int, delta: Event) -> str | None:
        added = None
        for kind, members in delta.items():
            if kind not in _KNOWN_DELTAS:
                self._unknown.setdefault(index, []).append({kind: members})
                continue
            block = self._blocks.setdefault(index, {})
            if kind == "text":
                added = str(members)
                block["text"] = block.get("text", "") + added
            elif kind == "toolUse":
                use = block.setdefault("toolUse", {})
                use["input"] = use.get("input", "") + str(_member(delta, kind).get("input") or "")
            elif kind == "reasoningContent":
                _add_reasoning(block.setdefault("reasoningContent", {}), _member(delta, kind))
            elif kind == "citation":
                block.setdefault("citationsContent", {}).setdefault("citations", []).append(members)
            elif kind == "toolResult":
                result = block.setdefault("toolResult", {})
                _add_parts(result.setdefault("content", []), members)
            else:
                _add_image(block.setdefault("image", {}), _member(delta, kind))
        return added


def _member(value: Event, key: str) -> Mapping[str, Any]:
    """Return the object under a key, or an empty one."""
    member = value.get(key) if isinstance(value, Mapping) else None
    return member if isinstance(member, Mapping) else {}


def _index(members: Event) -> int:
    index = members.get("contentBlockIndex")
    return index if isinstance(index, int) else 0


def _add_reasoning(block: dict[str, Any], delta: Event) -> None:
    """Add a reasoning delta. Every member, including the signature, can be split over deltas."""
    if "redactedContent" in delta:
        block["redactedContent"] = block.get("redactedContent", b"") + delta["redactedContent"]
    for name in ("text", "signature"):
        if name in delta:
            reasoning = block.setdefault("reasoningText", {"text": ""})
            reasoning[name] = reasoning.get(name, "") + str(delta[name])


def _add_parts(parts: list[Any], more: Any) -> None:
    """Add the parts of a tool result. Consecutive texts are joined."""
    for part in more if isinstance(more, list | tuple) else ():
        if parts and _is_text(part) and _is_text(parts[-1]):
            parts[-1] = {"text": parts[-1]["text"] + part["text"]}
        else:
            parts.append(part)


def _is_text(part: Any) -> bool:
    return isinstance(part, Mapping) and set(part) == {"text"} and isinstance(part["text"], str)


def _add_image(block: dict[str, Any], delta: Event) -> None:
    before = _member(block, "source").get("bytes")
    more = _member(delta, "source").get("bytes")
    block.update(delta)
    if before and more:
        block["source"] = {"bytes": before + more}


def _finished(block: Mapping[str, Any]) -> dict[str, Any]:
    """Return a block in the form of Converse: tool input parsed, cited text next to its citations."""
    finished = dict(block)
    if isinstance(finished.get("toolUse"), dict):
        use = finished["toolUse"]
        finished["toolUse"] = {**use, "input": _parsed(use.get("input", ""))}
    if "citationsContent" in finished and "text" in finished:
        text = finished.pop("text")
        finished["citationsContent"] = {"content": [{"text": text}], **finished["citationsContent"]}
    return finished


def _parsed(text: str) -> Any:
    """Return a tool's input, or the text itself if an interrupted stream truncated it."""
    try:
        return json.loads(text) if text else {}
    except ValueError:
        return text
