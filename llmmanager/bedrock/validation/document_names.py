"""Changes document names into names that Bedrock accepts.

A name may contain letters, digits, single white space, hyphens, parentheses and square brackets (Converse's
reference, DocumentBlock). Bedrock rejects duplicate names in a request ("Messages can't contain duplicate
document names"). Programs use file names, and send the same files again with each turn of a conversation.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_INVALID = re.compile(r"[^a-zA-Z0-9\s\-()\[\]]")
_WHITE_SPACE = re.compile(r"\s+")
_MAX_LENGTH = 200


def with_accepted_names(request: Mapping[str, Any]) -> tuple[Mapping[str, Any], list[str]]:
    """Return the request with document names that Bedrock accepts, and a warning for each renamed document.

    The given request is not changed. Unchanged parts are shared with it.
    """
    given = request.get("messages") or ()
    if not any(_may_contain_document(block) for message in given for block in message["content"]):
        return request, []
    names = _Names()
    messages = [
        {**message, "content": [_block(block, names) for block in message["content"]]} for message in given
    ]
    if not names.warnings:
        return request, []
    return {**request, "messages": messages}, names.warnings


class _Names:
    """The names used in one request.

    Names are assigned in the order of the documents. A continued conversation gets the same names, which
    keeps its prompt cache valid.
    """

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self._used: set[str] = set()

    def sent(self, name: str) -> str:
        """Return the name to send for a document with this name."""
        accepted = sent = accepted_name(name)
        number = 1
        while sent.casefold() in self._used:
            number += 1
            suffix = f" ({number})"
            sent = accepted[: _MAX_LENGTH - len(suffix)].rstrip() + suffix
        self._used.add(sent.casefold())
        if sent != name:
            self.warnings.append(f"the document {name!r} was sent as {sent!r}")
        return sent


def _may_contain_document(block: Mapping[str, Any]) -> bool:
    return "document" in block or "toolResult" in block


def _block(block: Mapping[str, Any], names: _Names) -> Mapping[str, Any]:
    if "document" in block:
        document = block["document"]
        sent = names.sent(document["name"])
        return block if sent == document["name"] else {**block, "document": {**document, "name": sent}}
    if "toolResult" in block:
        result = block["toolResult"]
        content = [_block(part, names) for part in result["content"]]
        return {**block, "toolResult": {**result, "content": content}}
    return block


def accepted_name(name: str) -> str:
    """Return a document name with the characters that Bedrock accepts."""
    return _WHITE_SPACE.sub(" ", _INVALID.sub("-", name))
