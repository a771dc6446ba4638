"""Thinking and effort in the form of each family of models."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.lambdas.streaming_api.messages.anthropic_messages import (
    GPT,
    HAIKU_4_5,
    LLAMA,
    NOVA_2,
    OPUS_5_5,
    additional,
    converse,
    mapped,
    rejection,
)
from tests.unit.lambdas.streaming_api.rows import row

LONG = 50_000


def enabled(budget: int, **more: Any) -> dict[str, Any]:
    return {"type": "enabled", "budget_tokens": budget, **more}


def sent(model: str, thinking: Any, effort: str | None = None) -> Any:
    return additional(model, max_tokens=LONG, thinking=thinking, output_config={"effort": effort})


def ignored(model: str, thinking: Any, effort: str | None = None) -> tuple[str, ...]:
    return mapped(
        model_ids=(model,), max_tokens=LONG, thinking=thinking, output_config={"effort": effort}
    ).ignored


@row("`thinking`, and Claude with adaptive thinking (4.6 and later)")
@pytest.mark.parametrize(
    ("thinking", "effort", "fields"),
    [
        ({"type": "adaptive"}, None, {"thinking": {"type": "adaptive"}}),
        (
            {"type": "adaptive", "display": "summarized"},
            "max",
            {"thinking": {"type": "adaptive", "display": "summarized"}, "output_config": {"effort": "max"}},
        ),
        ({"type": "between_tools"}, None, {"thinking": {"type": "adaptive"}}),
        (enabled(8191), None, {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}}),
        (enabled(16383), None, {"thinking": {"type": "adaptive"}, "output_config": {"effort": "medium"}}),
        (enabled(16384), None, {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}}),
        (enabled(2000), "max", {"thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}}),
    ],
)
def test_claude_with_adaptive_thinking(thinking: Any, effort: str | None, fields: Any) -> None:
    assert sent(OPUS_5_5, thinking, effort) == fields
    assert ignored(OPUS_5_5, thinking, effort) == ()


def test_claude_4_6_has_no_effort_between_high_and_max() -> None:
    fields = sent("anthropic.claude-sonnet-4-6", {"type": "adaptive"}, "xhigh")
    assert fields["output_config"] == {"effort": "high"}


@row("`thinking` of the type `disabled`, and Claude with adaptive thinking")
def test_thinking_is_switched_off_where_it_is_on_by_default() -> None:
    disabled = {"type": "disabled"}
    assert sent(OPUS_5_5, disabled) == {"thinking": disabled}
    assert sent(OPUS_5_5, disabled, "low") == {"thinking": disabled, "output_config": {"effort": "low"}}
    assert [sent(model, disabled) for model in (HAIKU_4_5, NOVA_2, GPT, LLAMA)] == [None] * 4
    assert ignored(HAIKU_4_5, disabled) == ()


@row("`thinking`, and Claude 3.7 to 4.5")
@pytest.mark.parametrize(
    ("thinking", "effort", "budget", "not_sent"),
    [
        (enabled(2000), None, 2000, ()),
        (enabled(2000), "max", 2000, ("output_config.effort",)),
        (enabled(2000, display="omitted"), None, 2000, ("thinking.display",)),
        ({"type": "adaptive"}, None, 16384, ()),
        ({"type": "adaptive"}, "low", 4096, ()),
    ],
)
def test_claude_with_a_budget(
    thinking: Any, effort: str | None, budget: int, not_sent: tuple[str, ...]
) -> None:
    assert sent(HAIKU_4_5, thinking, effort) == {"thinking": enabled(budget)}
    assert ignored(HAIKU_4_5, thinking, effort) == not_sent


@row("`thinking`, and Nova 2 or OpenAI's models")
@pytest.mark.parametrize(
    ("thinking", "effort", "level"),
    [
        ({"type": "adaptive"}, "low", "low"),
        (enabled(2000), None, "low"),
        (enabled(10_000), None, "medium"),
    ],
)
def test_other_models_with_an_effort(thinking: Any, effort: str | None, level: str) -> None:
    assert sent(NOVA_2, thinking, effort) == {
        "reasoningConfig": {"type": "enabled", "maxReasoningEffort": level}
    }
    assert sent(GPT, thinking, effort) == {"reasoning_effort": level}
    assert ignored(GPT, thinking, effort) == ()


@row("`thinking`, and other models")
def test_other_models_ignore_thinking() -> None:
    assert sent(LLAMA, {"type": "adaptive"}, "low") is None
    assert ignored(LLAMA, {"type": "adaptive"}, "low") == ("thinking", "output_config.effort")


def test_a_short_answer_leaves_no_room_for_thinking() -> None:
    request = mapped(model_ids=(HAIKU_4_5,), max_tokens=1024, thinking={"type": "adaptive"})
    assert request.ignored == ("thinking",)


@row("`output_config.effort` without `thinking`")
def test_an_effort_without_thinking() -> None:
    assert sent(OPUS_5_5, None, "low") == {"output_config": {"effort": "low"}}
    assert sent(GPT, None, "low") == {"reasoning_effort": "low"}
    for model in (HAIKU_4_5, NOVA_2, LLAMA):
        assert sent(model, None, "low") is None
        assert ignored(model, None, "low") == ("output_config.effort",)
    assert ignored(GPT, {"type": "disabled"}, "low") == ("output_config.effort",)


@row("`thinking.budget_tokens`")
def test_a_budget_is_at_least_1024_and_less_than_the_answer() -> None:
    path = "thinking.budget_tokens"
    assert rejection(thinking=enabled(1023)).param == path
    assert rejection(thinking={"type": "enabled"}).param == path
    assert rejection(max_tokens=2000, thinking=enabled(2000)).problem.startswith(
        "must be less than max_tokens"
    )
    request = mapped(
        model_ids=(HAIKU_4_5,),
        betas=("interleaved-thinking-2025-05-14",),
        max_tokens=2000,
        thinking=enabled(2000),
    )
    assert request.converse["additional_model_request_fields"]["thinking"] == enabled(2000)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"thinking": True}, "thinking"),
        ({"thinking": {}}, "thinking.type"),
        ({"thinking": {"type": "on"}}, "thinking.type"),
        ({"thinking": {"type": "adaptive", "display": "all"}}, "thinking.display"),
        ({"output_config": {"effort": "minimal"}}, "output_config.effort"),
    ],
)
def test_invalid_thinking_is_rejected_with_the_path_of_the_field(fields: Any, param: str) -> None:
    assert rejection(**fields).param == param


@row("`thinking`, `output_config.effort`")
def test_the_first_requested_model_decides_on_the_form() -> None:
    fields = {"max_tokens": LONG, "thinking": enabled(2000), "output_config": {"effort": "low"}}
    first, second = (
        converse(model_ids=models, **fields)["additional_model_request_fields"]
        for models in ((OPUS_5_5, NOVA_2), (NOVA_2, OPUS_5_5))
    )
    assert set(first) == {"thinking", "output_config"}
    assert set(second) == {"reasoningConfig"}


def test_nothing_is_sent_without_thinking_and_effort() -> None:
    assert all(
        "additional_model_request_fields" not in converse(model_ids=(model,)) for model in (OPUS_5_5, GPT)
    )
