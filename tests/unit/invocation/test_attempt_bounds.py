"""Upper bounds of one attempt: each part of a request that raises them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmmanager.bedrock.catalog.catalog_entries import AccessMethod, ModelAccess
from llmmanager.bedrock.catalog.model_table import known_names, model_data
from llmmanager.bedrock.invocation.attempt_bounds import AttemptBounds
from llmmanager.bedrock.pricing import answer_cost
from llmmanager.bedrock.transport.converse_api import encode

SONNET, HAIKU, NOVA = (
    "anthropic.claude-sonnet-4-5-20250929-v1:0",
    "anthropic.claude-haiku-4-5-20251001-v1:0",
    "amazon.nova-lite-v1:0",
)
PROMPT = "arn:aws:bedrock:us-east-1:123456789012:prompt/ABCDEFGHIJ"
PRICED = [model_id for model_id in known_names() if (data := model_data(model_id)) and data.prices]
ASK: dict[str, Any] = {"messages": [{"role": "user", "content": [{"text": "Hello"}]}]}
HOUR = {"cachePoint": {"type": "default", "ttl": "1h"}}


def bounds(request: dict[str, Any], model_id: str = SONNET, *, profile: str | None = None) -> AttemptBounds:
    access = AccessMethod.GEOGRAPHIC_PROFILE if profile else AccessMethod.ON_DEMAND
    target = ModelAccess(model_id, "A model", "us-east-1", access, profile or model_id, profile)
    return AttemptBounds(target, request, encode(request))


def with_content(*blocks: dict[str, Any]) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": [{"text": "Hello"}, *blocks]}]}


def source(kind: str, **members: Any) -> dict[str, Any]:
    return {kind: {"format": "any", "source": members}}


# Shares of the input tokens that are not cached, read from the cache, written to it, and written for an hour.
shares = st.lists(st.integers(0, 10), min_size=4, max_size=4).filter(any)


@given(
    model_id=st.sampled_from(PRICED),
    profile=st.sampled_from([None, "us.", "global.", "eu."]),
    hour=st.booleans(),
    tiers=st.sampled_from(
        [(None, None), ("priority", "priority"), ("priority", None), ("flex", "flex"), ("flex", None)]
    ),
    shares=shares,
)
def test_no_use_of_all_tokens_costs_more_than_the_bound(
    model_id: str, profile: str | None, hour: bool, tiers: tuple[str | None, str | None], shares: list[int]
) -> None:
    requested, used = tiers
    request = with_content(*([HOUR] if hour else [])) | {"inferenceConfig": {"maxTokens": 50}}
    if requested is not None:
        request["serviceTier"] = {"type": requested}
    profile_id = profile + model_id if profile else None
    limit = bounds(request, model_id, profile=profile_id)
    counts = [limit.input_tokens * share // sum(shares) for share in shares]
    plain, read, written, for_an_hour = counts if hour else [*counts[:3], 0]
    usage = {
        "inputTokens": plain,
        "cacheReadInputTokens": read,
        "cacheWriteInputTokens": written + for_an_hour,
        "cacheDetails": [{"ttl": "1h", "inputTokens": for_an_hour}],
        "outputTokens": limit.output_tokens,
    }
    access = AccessMethod.GEOGRAPHIC_PROFILE if profile else AccessMethod.ON_DEMAND
    cost = answer_cost(
        model_id,
        usage,
        access_method=access,
        inference_profile_id=profile_id,
        region="us-east-1",
        service_tier=used,
    )
    assert cost is not None
    assert limit.cost_usd is not None
    # Sums of the same floating-point numbers in another order.
    assert cost.usd <= limit.cost_usd * (1 + 1e-12)


@pytest.mark.parametrize("huge", [10**30, 10**307, 1e308])
@pytest.mark.parametrize("inference", [{}, {"inferenceConfig": {"maxTokens": 50}}])
def test_the_bound_of_a_request_for_more_than_any_model_generates_is_still_an_amount_of_money(
    inference: dict[str, Any], huge: float
) -> None:
    fields = {"n": huge, "thinking": {"type": "enabled", "budget_tokens": huge}}
    request = {**ASK, **inference, "additionalModelRequestFields": fields}
    assert bounds(request, "not-in-the-table").output_tokens <= 10**10
    cost = bounds(request).cost_usd
    assert cost is not None
    assert 1e5 < cost < 1e9


def test_a_cheaper_service_tier_does_not_lower_the_bound() -> None:
    assert bounds(ASK | {"serviceTier": {"type": "flex"}}).cost_usd >= bounds(ASK).cost_usd


@pytest.mark.parametrize("text", ["Hello", "\n\t\0" * 100, "é" * 100, "日本語" * 100, "😀" * 100])
def test_text_has_at_most_a_token_for_each_of_its_bytes(text: str) -> None:
    request = {"messages": [{"role": "user", "content": [{"text": text}]}]}
    assert bounds(request).input_tokens >= len(text.encode()) + 500


@pytest.mark.parametrize(
    "more",
    [
        {"toolConfig": {"tools": [{"toolSpec": {"name": "a", "inputSchema": {"json": {}}}}]}},
        {"additionalModelRequestFields": {"tools": [{"type": "bash_20250124", "name": "bash"}]}},
        {"outputConfig": {"textFormat": {"type": "json_schema"}}},
        with_content({"searchResult": {"source": "a", "citations": {"enabled": True}}}),
    ],
)
def test_what_models_add_for_a_feature_is_included(more: dict[str, Any]) -> None:
    request = ASK | more
    assert bounds(request).input_tokens >= len(encode(request)) + 2000


@pytest.mark.parametrize(
    "block",
    [
        source("image", bytes=b"a"),
        source("video", s3Location={"uri": "s3://bucket/key"}),
        source("audio", bytes=b"a"),
        source("document", bytes=b"a"),
        source("document", s3Location={"uri": "s3://bucket/key"}),
        source("document", content=[source("image", bytes=b"a")]),
        {"toolResult": {"toolUseId": "a", "content": [source("image", bytes=b"a")]}},
        {"guardContent": source("image", bytes=b"a")},
    ],
)
def test_media_have_at_most_the_tokens_of_the_context(block: dict[str, Any]) -> None:
    assert bounds(with_content(block), NOVA).input_tokens == 300_000


@pytest.mark.parametrize(
    "block",
    [
        source("document", text="Hello"),
        source("document", content=[{"text": "Hello"}]),
        {"toolUse": {"toolUseId": "a", "name": "a", "input": {"source": {"name": "a"}}}},
        {"toolResult": {"toolUseId": "a", "content": [{"json": {"source": {"name": "a"}}}]}},
    ],
)
def test_text_and_tool_data_are_not_media(block: dict[str, Any]) -> None:
    assert bounds(with_content(block)).input_tokens < 1000


def test_the_long_context_of_claude_is_the_bound_if_it_is_requested() -> None:
    request = with_content(source("image", bytes=b"a"))
    assert bounds(request).input_tokens == 200_000
    request["additionalModelRequestFields"] = {"anthropic_beta": ["context-1m-2025-08-07"]}
    assert bounds(request).input_tokens == 1_000_000


def test_a_tool_that_bedrock_runs_can_fill_the_context() -> None:
    request = ASK | {"toolConfig": {"tools": [{"systemTool": {"name": "nova_grounding"}}]}}
    assert bounds(request, NOVA).input_tokens == 300_000


@pytest.mark.parametrize(
    ("config", "fields", "tokens"),
    [
        ({"maxTokens": 7}, None, 7),
        ({"maxTokens": 5000}, {"thinking": {"budget_tokens": 4000}}, 5000),
        # Interleaved thinking.
        ({"maxTokens": 5000}, {"thinking": {"budget_tokens": 6000}}, 11_000),
        ({"maxTokens": 5}, {"max_tokens": 6000.0}, 6005),
        ({"maxTokens": 5}, {"maxTokenCount": 6000}, 6005),
        ({"maxTokens": 5}, {"max_gen_len": 2048}, 2053),
        ({"maxTokens": 5}, {"n": 3}, 15),
        ({"maxTokens": 5}, {"n": 0}, 5),
        ({"maxTokens": 5}, {"n": "many"}, 5),
        (None, None, 70_400),
        ({"temperature": 1}, None, 70_400),
        (None, {"thinking": {"budget_tokens": 4000}}, 128_000),
        (None, {"reasoningConfig": {"maxReasoningEffort": "high"}}, 128_000),
    ],
)
def test_output_is_at_most_max_tokens_or_the_maximum_of_the_model(
    config: dict[str, Any] | None, fields: dict[str, Any] | None, tokens: int
) -> None:
    request = ASK | {"inferenceConfig": config, "additionalModelRequestFields": fields}
    assert bounds(request, HAIKU).output_tokens == tokens


@pytest.mark.parametrize(("model_id", "tokens"), [(NOVA, 10_000), ("amazon.nova-2-lite-v1:0", 65_535)])
def test_the_larger_maximum_counts_if_sources_disagree(model_id: str, tokens: int) -> None:
    assert bounds(ASK, model_id).output_tokens >= tokens


def test_a_model_without_a_price_has_bounds_of_its_tokens_only() -> None:
    limit = bounds(ASK | {"inferenceConfig": {"maxTokens": 7}}, "custom.model")
    assert limit.cost_usd is None
    assert limit.input_tokens < 1000
    assert limit.output_tokens == 7


def test_a_managed_prompt_has_no_small_bound_since_its_text_is_unknown() -> None:
    limit = bounds(ASK, PROMPT)
    assert min(limit.input_tokens, limit.output_tokens) >= 1_000_000
    assert limit.cost_usd is None
