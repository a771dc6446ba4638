"""The effort of reasoning, as each family of models expects it.

The fields are those of the first requested model. When the call fails over to a model of another family, that
model rejects them as unknown, and the library's feature fallback removes them: the model answers with its own
default effort.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lambdas.streaming_api.model_features import reasoning_kind
from llmmanager.bedrock.structured.native_support import base_id

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
"""The values of OpenAI's `reasoning_effort`, and of `reasoning.effort` in the Responses API."""

MIN_BUDGET = 1024
_BUDGETS = {"minimal": 1024, "low": 4096, "medium": 8192, "high": 16384, "xhigh": 24576, "max": 32000}
_THREE_LEVELS = {"minimal": "low", "xhigh": "high", "max": "high"}
# Claude 4.6 has no effort between "high" and "max".
_WITHOUT_XHIGH = ("anthropic.claude-opus-4-6", "anthropic.claude-sonnet-4-6")


def reasoning_fields(
    effort: str, model_id: str, *, max_tokens: int | None, has_sampling: bool
) -> Mapping[str, Any]:
    """Return the fields of `additionalModelRequestFields` for an effort.

    Args:
        effort: one of `EFFORTS`. "none" sets no field: the model's own default applies.
        model_id: the first requested model.
        max_tokens: the maximum length of the answer with its reasoning, or None.
        has_sampling: whether the request sets `temperature` or `topP`.

    Returns:
        The fields; empty for "none", for a model whose effort cannot be set, and if `max_tokens` leaves no
        room for reasoning.
    """
    if effort == "none":
        return {}
    match reasoning_kind(model_id):
        case "adaptive":
            return {
                "thinking": {"type": "adaptive"},
                "output_config": {"effort": _adaptive(effort, model_id)},
            }
        case "budget":
            return _budget(effort, max_tokens)
        case "nova":
            return _nova(effort, is_limited=has_sampling or max_tokens is not None)
        case "openai":
            return {"reasoning_effort": _openai(effort, model_id)}
    return {}


def _adaptive(effort: str, model_id: str) -> str:
    if effort == "minimal":
        return "low"
    return "high" if effort == "xhigh" and base_id(model_id).startswith(_WITHOUT_XHIGH) else effort


def _budget(effort: str, max_tokens: int | None) -> Mapping[str, Any]:
    """Return a budget of at least 1,024 tokens, and at most three quarters of the answer."""
    budget = _BUDGETS[effort]
    if max_tokens is not None:
        if max_tokens <= MIN_BUDGET:
            return {}
        budget = max(MIN_BUDGET, min(budget, max_tokens * 3 // 4))
    return {"thinking": {"type": "enabled", "budget_tokens": budget}}


def _nova(effort: str, *, is_limited: bool) -> Mapping[str, Any]:
    level = _THREE_LEVELS.get(effort, effort)
    # Nova 2 rejects maxTokens, temperature and topP together with "high".
    if level == "high" and is_limited:
        level = "medium"
    return {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": level}}


def _openai(effort: str, model_id: str) -> str:
    return _THREE_LEVELS.get(effort, effort) if "gpt-oss" in model_id else effort
