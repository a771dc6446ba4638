"""The content blocks of an answer that can be sent back as history."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def without_blank_text(blocks: Iterable[Any]) -> list[Any]:
    """Return the blocks of an answer less blank text, which every model refuses in the history.

    White space between two citations separates their text and is kept.
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
