"""Converts a single text into a conversation."""

from __future__ import annotations

from typing import Any


def as_messages(messages: Any) -> Any:
    """Return a string as one user message, and any other value unchanged."""
    return [{"role": "user", "content": [{"text": messages}]}] if isinstance(messages, str) else messages
