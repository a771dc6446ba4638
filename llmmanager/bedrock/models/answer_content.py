"""Removes content blocks that cannot be sent back to a model in a conversation's history."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def without_blank_text(blocks: Iterable[Any]) -> list[Any]:
    """Return an answer's blocks without blank text blocks, which every model rejects in the history.

    White space in an answer with citations separates the cited texts and is kept.
    """
    blocks = list(blocks)
    has_citations = any(isinstance(block, dict) and "citationsContent" in block for block in blocks)
    return [block for block in blocks if not _is_blank(block, has_citations=has_citations)]


def _is_blank(block: Any, *, has_citations: bool) -> bool:
    if not isinstance(block, dict):
        return False
    text = block.get("text")
    if set(block) != {"text"} or not isinstance(text, str):
        return not block
    return not text or (not has_citations and text.isspace())
