"""Removes botocore's markers for unknown content from a conversation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MARKER = "SDK_UNKNOWN_MEMBER"
_PLACEHOLDER = {"text": "[omitted]"}


def without_unknown_markers(request: Mapping[str, Any]) -> tuple[Mapping[str, Any], list[str]]:
    """Return the request without blocks that botocore could not parse, and a warning if there are any.

    botocore replaces content that it does not know with `SDK_UNKNOWN_MEMBER`. The content is lost, and
    Bedrock rejects the marker. The given request is not changed. Unchanged parts are shared with it.
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
    warning = f"messages: content that the SDK could not parse ({MARKER}) was removed"
    return {**request, "messages": kept}, [warning]


def _is_marked(block: Mapping[str, Any]) -> bool:
    """Whether the marker replaces the block or its content."""
    members = [member for member in block.values() if isinstance(member, Mapping)]
    return any(MARKER in part for part in (block, *members))
