"""The models that follow a JSON schema in `outputConfig.textFormat`."""

from __future__ import annotations

import re

_PROVIDERS = (
    r"amazon|anthropic|deepseek|google|meta|minimax|mistral|moonshot|moonshotai|nvidia|openai|qwen|zai"
)
_BASE_ID = re.compile(rf"(?:{_PROVIDERS})\.\S+")

# AWS's page "Get validated JSON results from models", and models that only support this form. Other models
# reject `outputConfig.textFormat`, some of them although they support the same feature elsewhere.
_STRUCTURED_OUTPUT = (
    "anthropic.claude-haiku-4-5",
    "anthropic.claude-haiku-5-5",
    "anthropic.claude-opus-4-5",
    "anthropic.claude-opus-4-6",
    "anthropic.claude-sonnet-4-5",
    "anthropic.claude-sonnet-5-5",
    "deepseek.v3-",
    "google.gemma-3-12b",
    "google.gemma-3-27b",
    "minimax.minimax-m2",
    "mistral.magistral-small",
    "mistral.ministral-3",
    "mistral.mistral-large-3",
    "mistral.voxtral",
    "moonshot.kimi-k2",
    "nvidia.nemotron-nano",
    "openai.gpt-oss",
    "qwen.qwen3-235b",
    "qwen.qwen3-32b",
    "qwen.qwen3-coder",
    "qwen.qwen3-next",
)


def base_id(model_id: str) -> str:
    """Return a model's id without the prefix of a profile or an ARN; another text unchanged."""
    found = _BASE_ID.search(model_id)
    return found[0] if found else model_id


def has_structured_output(model_id: str) -> bool:
    """Whether the model is known to accept a JSON schema in `outputConfig`."""
    return base_id(model_id).startswith(_STRUCTURED_OUTPUT)
