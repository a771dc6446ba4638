"""What the mappings must know about a model before it is called.

Only decisions that the library cannot make are here. A parameter that a model rejects is removed by the
library's feature fallback.
"""

from __future__ import annotations

import re
from typing import Literal

from llmmanager.bedrock.catalog.model_table import model_data

ReasoningKind = Literal["adaptive", "budget", "nova", "openai", "none"]
"""How the effort of reasoning is set. "none": the model does not reason, or its effort cannot be set."""

_PROVIDERS = (
    r"amazon|anthropic|deepseek|google|meta|minimax|mistral|moonshot|moonshotai|nvidia|openai|qwen|zai"
)
_BASE_ID = re.compile(rf"(?:{_PROVIDERS})\.\S+")

# AWS's page "Extended thinking". Later models than these have adaptive thinking.
_BUDGET = (
    "anthropic.claude-3-7-sonnet",
    "anthropic.claude-sonnet-4-2025",
    "anthropic.claude-opus-4-2025",
    "anthropic.claude-opus-4-1",
    "anthropic.claude-sonnet-4-5",
    "anthropic.claude-haiku-4-5",
    "anthropic.claude-opus-4-5",
)
_WITHOUT_THINKING = ("anthropic.claude-3", "anthropic.claude-v", "anthropic.claude-instant")

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


def is_claude(model_id: str) -> bool:
    """Whether the model is one of Anthropic's."""
    return base_id(model_id).startswith("anthropic.")


def reasoning_kind(model_id: str) -> ReasoningKind:
    """Return how the effort of the model's reasoning is set."""
    model = base_id(model_id)
    if model.startswith("anthropic."):
        if model.startswith(_BUDGET):
            return "budget"
        return "none" if model.startswith(_WITHOUT_THINKING) else "adaptive"
    if model.startswith("amazon.nova-2"):
        return "nova"
    return "openai" if model.startswith("openai.") else "none"


def has_structured_output(model_id: str) -> bool:
    """Whether the model is known to accept a JSON schema in `outputConfig`."""
    return base_id(model_id).startswith(_STRUCTURED_OUTPUT)


def rejects_temperature_with_top_p(model_id: str) -> bool:
    """Whether the model is known to accept `temperature` or `topP`, but not both."""
    data = model_data(base_id(model_id))
    return data is not None and data.supports.get("temperature_and_top_p_together") is False
