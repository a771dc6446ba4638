"""Find the content of a Markdown code block, in a time that is proportional to the length of the text.

Models write JSON in such a block, and can repeat white space in it until the maximum length of an answer.
"""

from __future__ import annotations

import re

_OPENING = re.compile(r"```(?:json)?[^\S\n]*\n", re.IGNORECASE)
_CLOSING = "```"


def first_code_block(text: str) -> str | None:
    """Return the content of the first code block, plain or JSON, or None without any."""
    opening = _OPENING.search(text)
    end = text.find(_CLOSING, opening.end()) if opening else -1
    return text[opening.end() : end].strip() if opening and end >= 0 else None


def whole_code_block(text: str) -> str | None:
    """Return the content if the whole text is one code block, plain or JSON, or else None."""
    block = text.strip()
    opening = _OPENING.match(block)
    if opening is None or not block.endswith(_CLOSING, opening.end()):
        return None
    return block[opening.end() : -len(_CLOSING)].strip()
