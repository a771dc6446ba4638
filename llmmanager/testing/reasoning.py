"""Generates the reasoning of an answer to a request with thinking enabled."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from . import prose
from .answers import Answer
from .call_log import prompt_of
from .tokens import text_tokens


def reasoning_for(body: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return a signed reasoning block, or None without thinking and for a trailing assistant turn."""
    fields = body.get("additionalModelRequestFields") or {}
    thinking = fields.get("thinking", fields.get("reasoning_config"))
    if not isinstance(thinking, Mapping) or thinking.get("type") != "enabled":
        return None
    if body["messages"][-1]["role"] == "assistant":
        return None
    prompt = prompt_of(body["messages"])
    digest = hashlib.sha512(json.dumps([prompt, len(body["messages"])]).encode()).digest()
    text = f"The request is about {prose.subject_of(prompt)}. A few sentences are enough."
    signature = base64.b64encode(digest * 2).decode()
    return {"reasoningContent": {"reasoningText": {"text": text, "signature": signature}}}


def without_reasoning_tokens(body: Mapping[str, Any], block: Mapping[str, Any]) -> dict[str, Any]:
    """Return the request with `maxTokens` reduced by the tokens of a reasoning block."""
    config = dict(body.get("inferenceConfig") or {})
    if "maxTokens" in config:
        config["maxTokens"] = max(1, config["maxTokens"] - _tokens(block))
    return {**body, "inferenceConfig": config}


def with_reasoning(answer: Answer, block: dict[str, Any]) -> Answer:
    """Return `answer` preceded by a reasoning block. Its tokens are added to the output tokens."""
    return replace(
        answer, content=(block, *answer.content), output_tokens=answer.output_tokens + _tokens(block)
    )


def _tokens(block: Mapping[str, Any]) -> int:
    return text_tokens(block["reasoningContent"]["reasoningText"]["text"])
