"""The price of an attempt's answer."""

from __future__ import annotations

from typing import Any

import pytest

from llmmanager.bedrock.catalog.catalog_entries import AccessMethod, ModelAccess
from llmmanager.bedrock.invocation.attempt_usage import usage_and_price

NOVA_PRO = "amazon.nova-pro-v1:0"
TARGET = ModelAccess(NOVA_PRO, "Nova Pro", "us-east-1", AccessMethod.ON_DEMAND, NOVA_PRO, None)


@pytest.mark.parametrize(
    ("tier", "usd"),
    [
        ({"serviceTier": {"type": "flex"}}, 0.4),
        ({"serviceTier": {"type": "batch"}}, 0.4),
        ({"serviceTier": {"type": "default"}}, 0.8),
        ({"serviceTier": None}, 0.8),
        ({}, 0.8),
    ],
)
def test_an_answer_has_the_price_of_the_tier_that_it_states_or_else_that_on_demand(
    tier: dict[str, Any], usd: float
) -> None:
    answer = {"usage": {"inputTokens": 1_000_000, "outputTokens": 0}, **tier}
    assert usage_and_price(TARGET, answer)[1] == pytest.approx(usd)
