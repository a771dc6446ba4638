"""`reasoning_details` of an assistant message: the reasoning of a model with its signature.

An extension that OpenRouter introduced and several clients send back unchanged. Claude demands its reasoning,
with the signature, in the turns of a tool loop. Each entry is one of

- `{"type": "reasoning.text", "index": 0, "text": "…", "signature": "…"}`
- `{"type": "reasoning.encrypted", "index": 1, "data": "<base64>"}`

A stream sends text and signature of an entry in several pieces with the same index.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from lambdas.streaming_api.answer_events import ReasoningDelta
from lambdas.streaming_api.json_fields import optional_text, read_list, read_object, read_text
from lambdas.streaming_api.media import read_base64

FIELD = "reasoning_details"
_TEXT = "reasoning.text"
_ENCRYPTED = "reasoning.encrypted"


def reasoning_blocks(message: Mapping[str, Any], path: str) -> list[Mapping[str, Any]]:
    """Return the reasoning of an assistant message as Converse's blocks.

    Reasoning without a signature is left out: Claude and Nova reject it, and no model demands it.

    Raises:
        MappingError: an entry is invalid.
    """
    given, here = message.get(FIELD), f"{path}.{FIELD}"
    if given is None:
        return []
    blocks: list[Mapping[str, Any]] = []
    texts: dict[Any, dict[str, str]] = {}
    for index, item in enumerate(read_list(given, here)):
        entry = read_object(item, f"{here}[{index}]")
        if entry.get("type") == _ENCRYPTED:
            data = read_text(entry.get("data"), f"{here}[{index}].data")
            blocks.append(
                {"reasoningContent": {"redactedContent": read_base64(data, f"{here}[{index}].data")}}
            )
        elif entry.get("type") == _TEXT:
            number = entry.get("index")
            key = number if isinstance(number, int) else None
            if key not in texts:
                texts[key] = {"text": "", "signature": ""}
                blocks.append({"reasoningContent": {"reasoningText": texts[key]}})
            for name in ("text", "signature"):
                texts[key][name] += optional_text(entry.get(name), f"{here}[{index}].{name}")
            if key is None and texts[key]["signature"]:
                del texts[key]  # without indexes, the signature ends an entry
    return [block for block in blocks if _is_signed(block["reasoningContent"])]


class ReasoningDetails:
    """Numbers the reasoning of an answer, and returns it as entries of `reasoning_details`."""

    def __init__(self) -> None:
        self._indexes: dict[int, int] = {}
        self._encrypted: dict[int, bytes] = {}

    def piece(self, delta: ReasoningDelta) -> dict[str, Any] | None:
        """Return the entry for a piece of text or signature, or None for encrypted content."""
        index = self._indexes.setdefault(delta.block, len(self._indexes))
        if delta.encrypted:
            self._encrypted[delta.block] = self._encrypted.get(delta.block, b"") + delta.encrypted
            return None
        members = {"text": delta.text, "signature": delta.signature}
        return {"type": _TEXT, "index": index} | {name: text for name, text in members.items() if text}

    def end(self, block: int) -> dict[str, Any] | None:
        """Return the entry for the encrypted content of a block that has ended, or None."""
        content = self._encrypted.pop(block, None)
        if content is None:
            return None
        data = base64.b64encode(content).decode("ascii")
        return {"type": _ENCRYPTED, "index": self._indexes[block], "data": data}


def _is_signed(reasoning: Mapping[str, Any]) -> bool:
    return "reasoningText" not in reasoning or bool(reasoning["reasoningText"]["signature"])
