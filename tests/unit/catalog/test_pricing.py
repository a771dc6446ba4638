"""estimate_cost: compared with sums calculated from the published prices."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from llmmanager.bedrock.catalog import model_table
from llmmanager.bedrock.catalog.model_table import known_names, model_data
from llmmanager.bedrock.pricing import answer_cost, estimate_cost, offers_tier

SONNET = "anthropic.claude-sonnet-4-5-20250929-v1:0"  # 3 / 15 / 0.30 / 3.75; geographic +10 %
NOVA_PRO = "amazon.nova-pro-v1:0"  # 0.80 / 3.20 / 0.20; flex and batch 0.40 / 1.60; priority 1.40 / 5.60
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


# Published prices, of which some are not exactly half of the on-demand price. Source: litellm 1.106.2.
@pytest.mark.parametrize(
    ("model_id", "tier", "usd"),
    [
        (NOVA_PRO, "flex", 0.4 + 1.6),
        (NOVA_PRO, "batch", 0.4 + 1.6),
        (NOVA_PRO, "priority", 1.4 + 5.6),
        (NOVA, "batch", 0.03 + 0.12),
        (NOVA, "flex", None),
        (NOVA, "priority", None),
        (SONNET, "batch", 1.5 + 7.5),
        ("google.gemma-3-12b-it", "flex", 0.05 + 0.15),
        ("google.gemma-3-12b-it", "priority", 0.16 + 0.51),
        ("openai.gpt-oss-safeguard-20b", "batch", 0.03 + 0.1),
        ("moonshotai.kimi-k3", "flex", 1.65 + 8.25),
        ("moonshotai.kimi-k3", "batch", None),
        ("anthropic.claude-opus-4-8", "batch", None),
        ("acme.unknown", "batch", None),
    ],
)
def test_a_model_has_the_published_price_of_a_tier_or_none(model_id, tier, usd):
    usage = {"inputTokens": MILLION, "outputTokens": MILLION}
    assert estimate_cost(model_id, usage, service_tier=tier) == (None if usd is None else pytest.approx(usd))
    assert offers_tier(model_id, tier) == (usd is not None)


def test_other_tiers_have_the_on_demand_price():
    assert estimate_cost(NOVA, {"inputTokens": MILLION}, service_tier="default") == pytest.approx(0.06)
    assert estimate_cost(NOVA, {"inputTokens": MILLION}, service_tier="reserved") == pytest.approx(0.06)
    assert not offers_tier(NOVA, "reserved")


# The number of models with a price in each tier; "batch" has four models of Claude beside the source's.
@pytest.mark.parametrize(
    ("tier", "models", "shares"),
    [("flex", 35, (0.4, 0.6)), ("batch", 49 + 4, (0.4, 0.6)), ("priority", 41, (1.6, 1.9))],
)
def test_every_price_in_a_tier_is_about_the_usual_share_of_the_on_demand_price(tier, models, shares):
    offered = [model_id for model_id in known_names() if offers_tier(model_id, tier)]
    assert len(offered) == models
    for model_id in offered:
        standard, prices = model_data(model_id).prices, getattr(model_data(model_id), f"{tier}_prices")
        for name in ("input", "output", "cache_read", "cache_write"):
            if (price := getattr(standard, name)) is not None:
                assert shares[0] < getattr(prices, name) / price < shares[1], (model_id, name)


# Published prices of profiles, regions and cached tokens in a tier. Source: litellm 1.106.2.
@pytest.mark.parametrize(
    ("model_id", "where", "tier", "usage", "usd"),
    [
        (NOVA_PRO, {"inference_profile_id": f"eu.{NOVA_PRO}"}, "flex", {"inputTokens": MILLION}, 0.525),
        (NOVA_PRO, {"inference_profile_id": f"eu.{NOVA_PRO}"}, "flex", {"outputTokens": MILLION}, 2.1),
        (SONNET, {"inference_profile_id": f"us.{SONNET}"}, "batch", {"outputTokens": MILLION}, 8.25),
        ("deepseek.v3.2", {"region": "eu-north-1"}, "flex", {"outputTokens": MILLION}, 1.11),
        (NOVA_PRO, {}, "flex", {"cacheReadInputTokens": MILLION}, 0.1),
        (NOVA_PRO, {}, "priority", {"cacheReadInputTokens": MILLION}, 0.35),
        ("zai.glm-5.3", {}, "batch", {"cacheWriteInputTokens": MILLION}, 1.05),
    ],
)
def test_a_tier_has_the_same_discount_for_profiles_regions_and_cached_tokens(
    model_id, where, tier, usage, usd
):
    assert estimate_cost(model_id, usage, service_tier=tier, **where) == pytest.approx(usd)


def test_an_answer_has_the_usual_share_in_a_tier_without_a_published_price():
    usage = {"inputTokens": MILLION, "cacheReadInputTokens": MILLION}
    assert answer_cost(NOVA, usage, service_tier="flex").usd == pytest.approx(0.0375)
    assert answer_cost(NOVA, usage, service_tier="priority").usd == pytest.approx(0.13125)
    assert answer_cost("anthropic.claude-opus-4-8", usage, service_tier="batch").usd == pytest.approx(2.75)
    assert answer_cost("acme.unknown", usage, service_tier="flex") is None


def test_an_answer_is_compared_with_its_cost_without_the_cache():
    usage = {"inputTokens": MILLION, "cacheReadInputTokens": 2 * MILLION, "outputTokens": MILLION}
    cost = answer_cost(NOVA_PRO, usage, service_tier="flex")
    assert (cost.usd, cost.saved_by_cache_usd) == (pytest.approx(2.2), pytest.approx(0.6))


def test_a_cache_write_that_is_never_read_saves_less_than_nothing():
    cost = answer_cost(SONNET, {"cache_write_tokens": MILLION})
    assert cost.saved_by_cache_usd == pytest.approx(-0.75)


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


def test_the_page_about_costs_has_the_date_of_the_prices():
    table = json.loads(Path(model_table.__file__).with_suffix(".json").read_text("utf-8"))
    page = (Path(__file__).parents[3] / "docs" / "guides" / "costs.md").read_text("utf-8")
    assert f"as of {table['date']}" in page
