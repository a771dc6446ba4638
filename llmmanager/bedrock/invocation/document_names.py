"""File names of documents as Bedrock takes them.

Bedrock refuses a name with anything but letters, digits, single white space, hyphens, parentheses and
square brackets (Converse's reference, DocumentBlock); programs name documents as they are called on disk.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_REFUSED = re.compile(r"[^a-zA-Z0-9\s\-()\[\]]")
_WHITE_SPACE = re.compile(r"\s+")


def with_accepted_names(request: Mapping[str, Any]) -> tuple[Mapping[str, Any], list[str]]:
    """The request with every document named as Bedrock takes it, and a warning for each renamed one.

    What needs no change is shared with the original, which is never changed.
    """
    if not any(_may_hold_document(block) for message in request["messages"] for block in message["content"]):
        return request, []
    renamed: dict[str, str] = {}
    messages = [
        {**message, "content": [_block(block, renamed) for block in message["content"]]}
        for message in request["messages"]
    ]
    if not renamed:
        return request, []
    warnings = [f"the document {name!r} was sent as {sent!r}" for name, sent in renamed.items()]
    return {**request, "messages": messages}, warnings


def _may_hold_document(block: Mapping[str, Any]) -> bool:
    return "document" in block or "toolResult" in block


def _block(block: Mapping[str, Any], renamed: dict[str, str]) -> Mapping[str, Any]:
    if "document" in block:
        document = block["document"]
        sent = _accepted(document["name"])
        if sent == document["name"]:
            return block
        renamed[document["name"]] = sent
        return {**block, "document": {**document, "name": sent}}
    if "toolResult" in block:
        result = block["toolResult"]
        content = [_block(part, renamed) for part in result["content"]]
        return {**block, "toolResult": {**result, "content": content}}
    return block


def _accepted(name: str) -> str:
    return _WHITE_SPACE.sub(" ", _REFUSED.sub("-", name))
