"""estimate_cost: compared with sums calculated from the published prices."""

from __future__ import annotations

import pytest

from llmmanager.bedrock.pricing import estimate_cost

SONNET = "anthropic.claude-sonnet-4-5-20250929-v1:0"  # 3 / 15 / 0.30 / 3.75; geographic +10 %
NOVA = "amazon.nova-lite-v1:0"  # 0.06 / 0.24 / 0.015 / -; eu 0.078 / 0.312 / 0.0195
MILLION = 1_000_000


def test_input_and_output_on_demand():
    assert estimate_cost(NOVA, {"inputTokens": 1000, "outputTokens": 500}) == pytest.approx(0.00018)


def test_a_global_profile_costs_the_base_price():
    cost = estimate_cost(
        SONNET,
        {"inputTokens": 1000, "outputTokens": 500},
        access_method="global_profile",
        inference_profile_id=f"global.{SONNET}",
    )
    assert cost == pytest.approx(0.0105)


def test_a_geographic_profile_includes_its_surcharge():
    cost = estimate_cost(
        SONNET,
        {"inputTokens": 1000, "outputTokens": 500},
        access_method="geographic_profile",
        inference_profile_id=f"eu.{SONNET}",
    )
    assert cost == pytest.approx(0.01155)


@pytest.mark.parametrize(
    "profile", [f"us.{SONNET}", f"arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.{SONNET}"]
)
def test_the_profile_can_be_an_id_or_an_arn_without_an_access_method(profile):
    assert estimate_cost(SONNET, {"inputTokens": MILLION}, inference_profile_id=profile) == pytest.approx(3.3)


def test_the_model_id_can_be_a_profile_id():
    assert estimate_cost(f"us.{SONNET}", {"inputTokens": MILLION}) == pytest.approx(3.3)
    assert estimate_cost(f"global.{SONNET}", {"inputTokens": MILLION}) == pytest.approx(3.0)


def test_a_geography_without_a_price_has_the_common_price_of_all_others():
    usage = {"inputTokens": MILLION}
    assert estimate_cost(SONNET, usage, inference_profile_id=f"in.{SONNET}") == pytest.approx(3.3)
    assert estimate_cost(SONNET, usage, access_method="geographic_profile") == pytest.approx(3.3)


def test_a_geography_without_a_price_has_the_base_price_if_the_others_differ():
    usage = {"inputTokens": MILLION}
    assert estimate_cost(NOVA, usage, inference_profile_id=f"us.{NOVA}") == pytest.approx(0.06)
    assert estimate_cost(NOVA, usage, inference_profile_id=f"eu.{NOVA}") == pytest.approx(0.078)


def test_a_model_with_a_cheaper_global_profile():
    usage = {"inputTokens": MILLION, "outputTokens": MILLION}
    kimi = "moonshotai.kimi-k3"
    assert estimate_cost(kimi, usage, inference_profile_id=f"global.{kimi}") == pytest.approx(18.0)
    assert estimate_cost(kimi, usage, inference_profile_id=f"us.{kimi}") == pytest.approx(19.8)


def test_cached_tokens_are_counted_separately_at_their_own_prices():
    usage = {
        "inputTokens": 100,
        "outputTokens": 200,
        "cacheReadInputTokens": 10_000,
        "cacheWriteInputTokens": 2_000,
        "totalTokens": 12_300,
    }
    # 0.0003 + 0.003 + 0.003 + 0.0075
    assert estimate_cost(SONNET, usage) == pytest.approx(0.0138)


def test_a_one_hour_cache_write_costs_twice_the_input_price():
    usage = {
        "cacheWriteInputTokens": 3000,
        "cacheDetails": [{"ttl": "1h", "inputTokens": 1000}, {"ttl": "5m", "inputTokens": 2000}],
    }
    # 2000 x 3.75 + 1000 x 6.00
    assert estimate_cost(SONNET, usage) == pytest.approx(0.0135)


def test_cached_tokens_without_a_published_price_have_the_input_price():
    assert estimate_cost(NOVA, {"cacheWriteInputTokens": MILLION}) == pytest.approx(0.06)
    assert estimate_cost(NOVA, {"cacheReadInputTokens": MILLION}) == pytest.approx(0.015)


def test_snake_case_keys_are_accepted_and_not_counted_twice():
    bedrock = {"inputTokens": 1000, "outputTokens": 10, "cacheReadInputTokens": 5, "cacheWriteInputTokens": 7}
    snake = {"input_tokens": 1000, "output_tokens": 10, "cache_read_tokens": 5, "cache_write_tokens": 7}
    assert estimate_cost(SONNET, snake) == estimate_cost(SONNET, bedrock)
    assert estimate_cost(SONNET, {**snake, **bedrock}) == estimate_cost(SONNET, bedrock)


def test_a_regional_price_applies_to_on_demand_only():
    usage = {"inputTokens": MILLION}
    assert estimate_cost("qwen.qwen3-coder-next", usage, region="eu-west-2") == pytest.approx(0.78)
    assert estimate_cost("qwen.qwen3-coder-next", usage, region="us-east-1") == pytest.approx(0.5)
    assert estimate_cost(SONNET, usage, access_method="on_demand", region="eu-west-2") == pytest.approx(3.0)


def test_service_tiers_change_the_price():
    usage = {"inputTokens": MILLION}
    assert estimate_cost(NOVA, usage, service_tier="flex") == pytest.approx(0.03)
    assert estimate_cost(NOVA, usage, service_tier="priority") == pytest.approx(0.105)
    assert estimate_cost(NOVA, usage, service_tier="default") == pytest.approx(0.06)


def test_no_tokens_cost_nothing():
    assert estimate_cost(NOVA, {}) == 0.0
    assert estimate_cost(NOVA, {"inputTokens": None, "outputTokens": 0}) == 0.0


@pytest.mark.parametrize(
    "model_id",
    [
        "acme.unknown",
        "openai.gpt-6.1-terra",
        "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3",
        "",
    ],
)
def test_the_cost_is_none_without_a_known_price(model_id):
    assert estimate_cost(model_id, {"inputTokens": 1000}) is None
