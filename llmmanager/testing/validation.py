"""Validates well-formed Converse requests, with Bedrock's error messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .claude_rules import check_thinking, check_tool_ids
from .conversation_rules import check_conversation
from .errors import invalid, rejected_by_model
from .model_rules import check_model
from .models import FakeModel


def check_request(model: FakeModel, body: Mapping[str, Any], *, streaming: bool) -> None:
    """Raise ServiceError if Converse or `model` does not support the request."""
    if not model.is_chat:
        raise invalid(
            "This action doesn't support the model that you provided. Try again with a supported text or "
            "chat model."
        )
    if streaming and not model.streaming:
        raise invalid("The model is unsupported for streaming.")
    check_conversation(body)
    check_model(model, body, streaming=streaming)
    if model.is_claude:
        check_tool_ids(body["messages"])
        check_thinking(model, body)


def check_context(model: FakeModel, tokens: int) -> None:
    """Raise ServiceError if the input has more tokens than the context of `model`."""
    limit = model.max_context_tokens
    if limit is None or tokens <= limit:
        return
    if model.is_claude:
        raise rejected_by_model(f"prompt is too long: {tokens} tokens > {limit} maximum")
    raise invalid("Input is too long for requested model.")
