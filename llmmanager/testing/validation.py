"""What Bedrock refuses about a well-formed Converse request, in its own words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .claude_rules import check_thinking, check_tool_ids
from .conversation_rules import check_conversation
from .errors import invalid, refused_by_model
from .model_rules import check_model
from .models import FakeModel


def check_request(model: FakeModel, body: Mapping[str, Any], *, streaming: bool) -> None:
    """Refuse what Converse forbids or `model` cannot serve. Raises ServiceError."""
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
    """Refuse an input of more tokens than `model` can hold. Raises ServiceError."""
    limit = model.max_context_tokens
    if limit is None or tokens <= limit:
        return
    if model.is_claude:
        raise refused_by_model(f"prompt is too long: {tokens} tokens > {limit} maximum")
    raise invalid("Input is too long for requested model.")
