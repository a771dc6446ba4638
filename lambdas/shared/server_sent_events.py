"""The format of server-sent events."""

from __future__ import annotations

from typing import Any, Final

from llmmanager.json_format.json_text import dump

CONTENT_TYPE: Final = "text/event-stream; charset=utf-8"


def event(data: Any, *, name: str = "") -> bytes:
    """Return an event with JSON-ready data.

    Args:
        name: the type of the event; empty for none.
    """
    head = f"event: {name}\n".encode() if name else b""
    return b"%sdata: %s\n\n" % (head, dump(data))


def comment(text: str) -> bytes:
    """Return a comment. Clients ignore it."""
    return f": {text}\n\n".encode()


DONE: Final = b"data: [DONE]\n\n"
"""The end of a complete stream of OpenAI's Chat Completions."""
