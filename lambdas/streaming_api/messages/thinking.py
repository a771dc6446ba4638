"""`thinking` and `output_config.effort` of a Messages request, as each family of models expects them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lambdas.streaming_api.inference_parameters import InferenceParameters
from lambdas.streaming_api.json_fields import (
    optional_object,
    read_choice,
    read_integer,
    read_object,
    required,
)
from lambdas.streaming_api.mapping_error import MappingError
from lambdas.streaming_api.model_features import reasoning_kind
from lambdas.streaming_api.reasoning_effort import MIN_BUDGET, reasoning_fields

_TYPES = ("enabled", "adaptive", "between_tools", "disabled")
_EFFORTS = ("low", "medium", "high", "xhigh", "max")
_DISPLAYS = ("summarized", "omitted")
# Anthropic's default.
_DEFAULT_EFFORT = "high"
_EFFORT = "output_config.effort"


@dataclass(frozen=True, slots=True)
class Thinking:
    """Whether and how long the model thinks.

    Attributes:
        type: one of `thinking.type`, or "" if the request does not say.
        budget: the maximum number of tokens of the type "enabled", or None.
        display: whether the answer has the text of the reasoning, or "" for the model's default.
        effort: `output_config.effort`, or "".
    """

    type: str = ""
    budget: int | None = None
    display: str = ""
    effort: str = ""

    @property
    def is_on(self) -> bool:
        """Whether the request asks for reasoning."""
        return self.type not in ("", "disabled")

    @property
    def level(self) -> str:
        """The effort, also for a request that sets only a budget."""
        if self.effort or self.budget is None:
            return self.effort or _DEFAULT_EFFORT
        return "low" if self.budget < 8192 else "medium" if self.budget < 16384 else "high"


@dataclass(frozen=True, slots=True)
class ThinkingFields:
    """Fields of `additionalModelRequestFields`, and the client's fields without effect."""

    fields: dict[str, Any] = field(default_factory=dict)
    ignored: tuple[str, ...] = ()


def read_thinking(body: Mapping[str, Any], *, max_tokens: int | None) -> Thinking:
    """Return `thinking` and the effort of a request.

    Args:
        max_tokens: the maximum length of the answer with its reasoning, or None if the request has no answer.

    Raises:
        MappingError: a field is invalid.
    """
    config = optional_object(body.get("output_config"), "output_config")
    effort = config.get("effort")
    effort = "" if effort is None else read_choice(effort, _EFFORT, _EFFORTS)
    if body.get("thinking") is None:
        return Thinking(effort=effort)
    given = read_object(body["thinking"], "thinking")
    type_ = read_choice(required(given, "type", "thinking.type"), "thinking.type", _TYPES)
    display = given.get("display")
    return Thinking(
        type=type_,
        budget=_budget(given, max_tokens) if type_ == "enabled" else None,
        display="" if display is None else read_choice(display, "thinking.display", _DISPLAYS),
        effort=effort,
    )


def thinking_fields(thinking: Thinking, model_id: str, parameters: InferenceParameters) -> ThinkingFields:
    """Return the fields for the first requested model.

    When the call fails over to a model that does not know them, the library removes them.
    """
    kind = reasoning_kind(model_id)
    if kind == "adaptive":
        return _adaptive(thinking, model_id)
    ignored = ["thinking.display"] if thinking.display else []
    if thinking.budget is not None and kind == "budget":
        ignored += [_EFFORT] if thinking.effort else []
        fields = {"thinking": {"type": "enabled", "budget_tokens": thinking.budget}}
        return ThinkingFields(fields, tuple(ignored))
    found: Mapping[str, Any] = {}
    if thinking.is_on or (thinking.effort and not thinking.type and kind == "openai"):
        found = reasoning_fields(
            thinking.level,
            model_id,
            max_tokens=parameters.max_tokens,
            has_sampling=parameters.has_sampling,
        )
    if not found:
        ignored += ["thinking"] if thinking.is_on else []
        ignored += [_EFFORT] if thinking.effort else []
    return ThinkingFields(dict(found), tuple(ignored))


def _adaptive(thinking: Thinking, model_id: str) -> ThinkingFields:
    """Return the fields of Claude with adaptive thinking. It replaces a budget, which later models reject."""
    fields: dict[str, Any] = {}
    if thinking.type:
        fields["thinking"] = {"type": "adaptive" if thinking.is_on else "disabled"}
        if thinking.display and thinking.is_on:
            fields["thinking"]["display"] = thinking.display
    if thinking.effort or thinking.budget is not None:
        effort = reasoning_fields(thinking.level, model_id, max_tokens=None, has_sampling=False)
        fields["output_config"] = effort["output_config"]
    return ThinkingFields(fields)


def _budget(given: Mapping[str, Any], max_tokens: int | None) -> int:
    path = "thinking.budget_tokens"
    budget = read_integer(required(given, "budget_tokens", path), path, low=MIN_BUDGET)
    if max_tokens is not None and budget >= max_tokens:
        raise MappingError(path, f"must be less than max_tokens, {max_tokens} (got {budget})")
    return budget
