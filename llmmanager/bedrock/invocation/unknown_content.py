"""Content that an older SDK could not read, in a history that is sent back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MARKER = "SDK_UNKNOWN_MEMBER"
_PLACEHOLDER = {"text": "[omitted]"}


def without_unknown_markers(request: Mapping[str, Any]) -> tuple[Mapping[str, Any], list[str]]:
    """Return the request without the blocks that botocore could not read, and a warning if there are any.

    botocore puts `SDK_UNKNOWN_MEMBER` in the place of content that it does not know. What the content was
    is lost, and Bedrock refuses the marker. What needs no change is shared with the original, which is
    never changed.
    """
    messages = request.get("messages") or ()
    if not any(_is_marked(block) for message in messages for block in message["content"]):
        return request, []
    kept = [
        {
            **message,
            "content": [block for block in message["content"] if not _is_marked(block)] or [_PLACEHOLDER],
        }
        for message in messages
    ]
    warning = f"messages: content that the SDK did not know ({MARKER}) was left out"
    return {**request, "messages": kept}, [warning]


def _is_marked(block: Mapping[str, Any]) -> bool:
    """Whether the marker stands for the block, or for all that the block holds."""
    members = [member for member in block.values() if isinstance(member, Mapping)]
    return any(MARKER in part for part in (block, *members))
