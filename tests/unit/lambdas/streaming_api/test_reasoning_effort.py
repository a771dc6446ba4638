"""The effort of reasoning for each family of models."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.streaming_api.reasoning_effort import EFFORTS, reasoning_fields

SONNET_4_5 = "anthropic.claude-sonnet-4-5-20250929-v1:0"
NOVA_2 = "amazon.nova-2-lite-v1:0"


def fields(effort: str, model: str, max_tokens: int | None = None, has_sampling: bool = False) -> Any:
    return reasoning_fields(effort, model, max_tokens=max_tokens, has_sampling=has_sampling)


@pytest.mark.parametrize(
    ("model", "effort", "expected"),
    [
        ("anthropic.claude-sonnet-5", "xhigh", "xhigh"),
        ("us.anthropic.claude-opus-4-7", "max", "max"),
        ("global.anthropic.claude-opus-4-6-v1", "xhigh", "high"),
        ("anthropic.claude-haiku-5-5", "minimal", "low"),
    ],
)
def test_newer_claude_models_think_adaptively_with_an_effort(model: str, effort: str, expected: str) -> None:
    assert fields(effort, model) == {"thinking": {"type": "adaptive"}, "output_config": {"effort": expected}}


@given(st.sampled_from(EFFORTS[1:]), st.none() | st.integers(1, 100_000))
def test_older_claude_models_get_a_budget_below_the_maximum_length(
    effort: str, max_tokens: int | None
) -> None:
    found = fields(effort, SONNET_4_5, max_tokens)
    if max_tokens is not None and max_tokens <= 1024:
        assert found == {}
    else:
        assert found["thinking"]["type"] == "enabled"
        assert 1024 <= found["thinking"]["budget_tokens"] < (max_tokens or 100_000)


@pytest.mark.parametrize(
    ("effort", "max_tokens", "has_sampling", "expected"),
    [
        ("minimal", None, False, "low"),
        ("medium", 100, True, "medium"),
        ("high", None, False, "high"),
        ("max", 100, False, "medium"),
        ("high", None, True, "medium"),
    ],
)
def test_nova_2_gets_an_effort_that_its_other_parameters_allow(
    effort: str, max_tokens: int | None, has_sampling: bool, expected: str
) -> None:
    found = fields(effort, NOVA_2, max_tokens, has_sampling)
    assert found == {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": expected}}


def test_openai_models_get_their_own_field() -> None:
    assert fields("max", "openai.gpt-oss-120b-1:0") == {"reasoning_effort": "high"}
    assert fields("minimal", "openai.gpt-5.5") == {"reasoning_effort": "minimal"}


@pytest.mark.parametrize(
    "model",
    ["amazon.nova-lite-v1:0", "anthropic.claude-3-haiku-20240307-v1:0", "qwen.qwen3-32b-v1:0", "My model"],
)
def test_other_models_get_no_field(model: str) -> None:
    assert fields("high", model) == {}


def test_the_effort_none_sets_no_field() -> None:
    assert fields("none", SONNET_4_5) == {}
