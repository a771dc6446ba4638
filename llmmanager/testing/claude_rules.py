"""Claude's rules for thinking and tool calls, with the error messages of Anthropic's Messages API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .errors import rejected_by_model
from .models import FakeModel

_MIN_BUDGET = 1024
_MIN_TOP_P = 0.95
_DOCS = (
    "Please consult our documentation at https://docs.claude.com/en/docs/build-with-claude/extended-thinking"
)


def check_thinking(model: FakeModel, body: Mapping[str, Any]) -> None:
    """Raise ServiceError if `thinking` is invalid or conflicts with another field."""
    fields = body.get("additionalModelRequestFields") or {}
    thinking = fields.get("thinking", fields.get("reasoning_config"))
    if thinking is None:
        return
    mode = thinking.get("type") if isinstance(thinking, Mapping) else None
    if mode not in ("enabled", "adaptive", "disabled"):
        raise rejected_by_model(
            f"thinking: Input tag {mode!r} found using 'type' does not match any of the expected tags: "
            "'adaptive', 'disabled', 'enabled'"
        )
    if mode == "disabled":
        return
    _check_mode(model, mode)
    if mode == "enabled":
        _check_budget(thinking, (body.get("inferenceConfig") or {}).get("maxTokens"))
    choice = next(iter((body.get("toolConfig") or {}).get("toolChoice") or {}), "auto")
    if choice != "auto":
        raise rejected_by_model("Thinking may not be enabled when tool_choice forces tool use.")
    _check_sampling(body, fields, "" if mode == "enabled" else " or in adaptive mode")
    if mode == "enabled":
        _check_last_answer(body["messages"])


def check_tool_ids(messages: list[dict[str, Any]]) -> None:
    """Raise ServiceError if two tool calls of the conversation have the same id."""
    seen: set[str] = set()
    for turn, message in enumerate(messages):
        for index, block in enumerate(message["content"]):
            if "toolUse" not in block:
                continue
            if block["toolUse"]["toolUseId"] in seen:
                raise rejected_by_model(f"messages.{turn}.content.{index}: `tool_use` ids must be unique")
            seen.add(block["toolUse"]["toolUseId"])


def _check_mode(model: FakeModel, mode: str) -> None:
    if not model.thinking:
        raise rejected_by_model("thinking: Extra inputs are not permitted")
    if mode in model.thinking:
        return
    if mode == "enabled":
        raise rejected_by_model(
            '"thinking.type.enabled" is not supported for this model. Use "thinking.type.adaptive" and '
            '"output_config.effort" to control thinking behavior.'
        )
    raise rejected_by_model("adaptive thinking is not supported on this model")


def _check_budget(thinking: Mapping[str, Any], max_tokens: int | None) -> None:
    budget = thinking.get("budget_tokens")
    if not isinstance(budget, int) or isinstance(budget, bool):
        raise rejected_by_model("thinking.enabled.budget_tokens: Field required")
    if budget < _MIN_BUDGET:
        raise rejected_by_model(
            f"thinking.enabled.budget_tokens: Input should be greater than or equal to {_MIN_BUDGET}"
        )
    if max_tokens is not None and max_tokens <= budget:
        raise rejected_by_model(
            f"`max_tokens` must be greater than `thinking.budget_tokens`. {_DOCS}"
            "#max-tokens-and-context-window-size"
        )


def _check_sampling(body: Mapping[str, Any], fields: Mapping[str, Any], where: str) -> None:
    config = body.get("inferenceConfig") or {}
    temperature = config.get("temperature", fields.get("temperature"))
    top_p = config.get("topP", fields.get("top_p"))
    if temperature is not None and temperature != 1:
        raise rejected_by_model(
            f"`temperature` may only be set to 1 when thinking is enabled{where}. {_DOCS}"
            "#important-considerations-when-using-extended-thinking"
        )
    if top_p is not None and top_p < _MIN_TOP_P:
        raise rejected_by_model(
            f"`top_p` must be greater than or equal to {_MIN_TOP_P} or unset when thinking is enabled{where}."
        )
    if fields.get("top_k") is not None:
        raise rejected_by_model(f"`top_k` must be unset when thinking is enabled{where}. {_DOCS}")


def _check_last_answer(messages: list[dict[str, Any]]) -> None:
    """Raise ServiceError if the current assistant turn does not start with its reasoning."""
    turn = len(messages) - 1
    if messages[turn]["role"] != "assistant":
        if not any("toolResult" in block for block in messages[turn]["content"]):
            return
        turn -= 1
    first = messages[turn]["content"][0]
    if "reasoningContent" not in first:
        found = "tool_use" if "toolUse" in first else next(iter(first))
        raise rejected_by_model(
            f"messages.{turn}.content.0.type: Expected `thinking` or `redacted_thinking`, but found "
            f"`{found}`. When `thinking` is enabled, a final `assistant` message must start with a thinking "
            "block (preceeding the lastmost set of `tool_use` and `tool_result` blocks). We recommend you "
            "include thinking blocks from previous turns. To avoid this requirement, disable `thinking`. "
            f"{_DOCS}"
        )
