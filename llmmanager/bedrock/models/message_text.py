"""The short form of a conversation: one text."""

from __future__ import annotations

from typing import Any


def as_messages(messages: Any) -> Any:
    """Return a string as one message of the user, and anything else unchanged."""
    return [{"role": "user", "content": [{"text": messages}]}] if isinstance(messages, str) else messages
