"""What the mappings must know about a model before it is called.

Only decisions that the library cannot make are here. A parameter that a model rejects is removed by the
library's feature fallback.
"""

from __future__ import annotations

from typing import Literal

from llmmanager.bedrock.catalog.model_table import model_data
from llmmanager.bedrock.structured.native_support import base_id

ReasoningKind = Literal["adaptive", "budget", "nova", "openai", "none"]
"""How the effort of reasoning is set. "none": the model does not reason, or its effort cannot be set."""

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


def rejects_temperature_with_top_p(model_id: str) -> bool:
    """Whether the model is known to accept `temperature` or `topP`, but not both."""
    data = model_data(base_id(model_id))
    return data is not None and data.supports.get("temperature_and_top_p_together") is False
