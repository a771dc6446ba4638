"""The lane that answered a record, and what the answer saved."""

from __future__ import annotations

from typing import Any

from llmmanager.batch_lanes.lane import Lane
from llmmanager.bedrock.models.bedrock_response import BedrockResponse


def lane_figures(response: BedrockResponse, lane: Lane | None = None) -> dict[str, Any]:
    """Return the lane of a call and what it saved.

    Args:
        lane: the lane; None derives it from the service tier that Bedrock reports.

    Returns:
        `lane`. For an answer of a cheaper lane also `savedUsd`: the price of its tokens on demand minus its
        cost; None if a price is unknown.
    """
    lane = lane or lane_of(response)
    saved = {} if lane is Lane.ON_DEMAND or not response.success else {"savedUsd": _saved_usd(response)}
    return {"lane": lane.value, **saved}


def lane_of(response: BedrockResponse) -> Lane:
    """Return the lane of a Converse call, from the service tier that Bedrock reports."""
    tier = response.get_service_tier()
    return Lane.FLEX if tier is not None and tier["type"] == "flex" else Lane.ON_DEMAND


def _saved_usd(response: BedrockResponse) -> float | None:
    # Imported here: few batches use the cheaper lanes.
    from llmmanager.bedrock.pricing import estimate_cost

    answer, data = response.get_successful_attempt(), response.response_data
    if answer is None or answer.estimated_cost_usd is None or response.model_used is None or data is None:
        return None
    on_demand = estimate_cost(
        response.model_used,
        data["usage"],
        access_method=response.access_method,
        inference_profile_id=response.inference_profile_id,
        region=response.region_used,
    )
    return None if on_demand is None else on_demand - answer.estimated_cost_usd
