"""Converts the short forms of messages and of a system prompt: a text."""

from __future__ import annotations

from typing import Any


def as_messages(messages: Any) -> Any:
    """Return a string as one user message, and any other value unchanged."""
    return [{"role": "user", "content": [{"text": messages}]}] if isinstance(messages, str) else messages


def as_system(system: Any) -> Any:
    """Return a string as one system block, an empty one as no block, and any other value unchanged."""
    if not isinstance(system, str):
        return system
    return [{"text": system}] if system else []
