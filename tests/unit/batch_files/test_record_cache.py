"""What the prompt cache saved for a record."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from llmmanager.batch_files.record_cache import cache_figures
from llmmanager.bedrock.models.bedrock_response import BedrockResponse
from llmmanager.bedrock.models.request_attempt import RequestAttempt
from llmmanager.bedrock.models.usage import token_counts
from llmmanager.bedrock.pricing import answer_cost

SONNET = "anthropic.claude-sonnet-4-20250514-v1:0"  # 3 USD a million tokens, 3.75 for writes, 0.3 for reads
NOW = datetime(2026, 12, 1, tzinfo=UTC)


def attempt(
    model: str = SONNET, *, tier: str | None = None, success: bool = True, **usage: Any
) -> RequestAttempt:
    usage = {"inputTokens": 10, "outputTokens": 20, **usage}
    cost = answer_cost(model, usage, access_method="on_demand", region="us-east-1", service_tier=tier)
    return RequestAttempt(
        model,
        "us-east-1",
        "on_demand",
        1,
        NOW,
        NOW,
        success,
        usage=token_counts(usage),
        estimated_cost_usd=cost.usd if cost else None,
    )


def saved(*attempts: RequestAttempt, **usage: Any) -> Any:
    data = {"usage": usage} if usage else None
    success = attempts[-1].success
    figures = cache_figures(BedrockResponse(success=success, response_data=data, attempts=list(attempts)))
    return figures.get("cacheSavedUsd", "no figure")


def test_reading_saves_and_writing_costs() -> None:
    assert saved(attempt(cacheReadInputTokens=1_000_000)) == pytest.approx(2.7)
    assert saved(attempt(cacheWriteInputTokens=1_000_000)) == pytest.approx(-0.75)


def test_all_attempts_count_also_those_with_an_invalid_answer() -> None:
    first = attempt(cacheWriteInputTokens=1_000_000, success=False)
    assert saved(first, attempt(cacheReadInputTokens=1_000_000)) == pytest.approx(1.95)


def test_a_write_for_an_hour_costs_twice_the_input() -> None:
    usage = {
        "cacheWriteInputTokens": 1_000_000,
        "cacheDetails": [{"ttl": "1h", "inputTokens": 1_000_000}],
    }
    full = {"inputTokens": 10, "outputTokens": 20, **usage}
    assert saved(attempt(**usage), **full) == pytest.approx(-3.0)


def test_the_savings_are_those_of_the_service_tier() -> None:
    nova = "amazon.nova-pro-v1:0"
    standard = saved(attempt(nova, cacheReadInputTokens=1_000_000))
    assert standard > 0
    assert saved(attempt(nova, tier="flex", cacheReadInputTokens=1_000_000)) == pytest.approx(standard / 2)


def test_without_a_price_the_savings_are_unknown() -> None:
    assert saved(attempt("acme.talk", cacheReadInputTokens=5)) is None


def test_without_cached_tokens_there_is_no_figure() -> None:
    assert saved(attempt()) == "no figure"
    assert cache_figures(BedrockResponse(success=False)) == {}
