"""The lane of a result, and what its answer saved."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from llmmanager import BedrockConverseRequest, BedrockResponse
from llmmanager.batch_files.results import result_of
from llmmanager.batch_lanes.lane import Lane
from llmmanager.bedrock.models.request_attempt import RequestAttempt
from llmmanager.bedrock.pricing import estimate_cost

PRO = "amazon.nova-pro-v1:0"
REQUEST = BedrockConverseRequest(request_id="record-1", messages="Hello")
USAGE = {"inputTokens": 1_000, "outputTokens": 200, "cacheReadInputTokens": 5_000}
ON_DEMAND = estimate_cost(PRO, USAGE, region="us-east-1") or 0
NOW = datetime(2026, 12, 1, tzinfo=UTC)


def response(tier=None, *, cost=None, success=True):
    attempt = RequestAttempt(
        PRO, "us-east-1", "on_demand", 1, NOW, NOW, success, usage={}, estimated_cost_usd=cost
    )
    data = {"usage": USAGE, **({"serviceTier": {"type": tier}} if tier else {})}
    return BedrockResponse(
        success=success, response_data=data, model_used=PRO, region_used="us-east-1", attempts=[attempt]
    )


@pytest.mark.parametrize("tier", [None, "default", "priority"])
def test_an_answer_of_another_tier_ran_on_demand_and_saved_nothing(tier):
    result = result_of(REQUEST, response(tier, cost=ON_DEMAND))

    assert result["lane"] == "onDemand"
    assert "savedUsd" not in result


@pytest.mark.parametrize(("tier", "lane"), [("flex", None), (None, Lane.MANAGED)])
def test_a_cheaper_answer_saved_the_difference_to_the_price_on_demand(tier, lane):
    result = result_of(REQUEST, response(tier, cost=ON_DEMAND / 4), lane=lane)

    assert result["lane"] == (lane or "flex")
    assert result["savedUsd"] == pytest.approx(ON_DEMAND * 3 / 4)


def test_the_saving_of_an_answer_without_a_price_is_unknown():
    assert result_of(REQUEST, response("flex"))["savedUsd"] is None


def test_a_failed_record_saved_nothing():
    assert "savedUsd" not in result_of(REQUEST, response("flex", cost=1.0, success=False))
