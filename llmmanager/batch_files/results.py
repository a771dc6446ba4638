"""The results of records, as lines of result files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from llmmanager.batch_files.record_figures import (
    record_figures,
    sum_of,
    sum_of_usage,
    with_earlier_figures,
)
from llmmanager.batch_files.record_lane import lane_figures
from llmmanager.batch_lanes.lane import Lane
from llmmanager.bedrock.models.bedrock_response import BedrockResponse
from llmmanager.bedrock.models.parallel_structures import BedrockConverseRequest
from llmmanager.json_format.codec import encode_request, encode_response, encode_totals, last_error

ANSWERED = "answered"
FAILED = "failed"
INTERRUPTED = "interrupted"
"""The invocation ended before the record: it is run again, and the cost of the attempts is stored."""


def result_of(
    request: BedrockConverseRequest, response: BedrockResponse, *, lane: Lane | None = None
) -> dict[str, Any]:
    """Return the result of a record that was run.

    Args:
        lane: how it was run; None for a Converse call, whose answer contains the service tier.
    """
    result = {
        "recordId": request.request_id,
        "status": ANSWERED if response.success else FAILED,
        **encode_response(response),
        "attempts": len(response.attempts),
        **record_figures(response),
        **lane_figures(response, lane),
        **_team_of(request),
    }
    if not response.success:
        result |= {"error": last_error(response), "modelInput": encode_request(request)}
    return result


def interrupted_result(request: BedrockConverseRequest, response: BedrockResponse) -> dict[str, Any]:
    """Return the figures and the cost of the attempts of a record that is run again."""
    return {
        "recordId": request.request_id,
        "status": INTERRUPTED,
        "attempts": len(response.attempts),
        **encode_totals(response),
        **record_figures(response),
    }


def missed_result(record: dict[str, Any], error: dict[str, Any]) -> dict[str, Any]:
    """Return the result of a record that no worker finished.

    Args:
        record: the record in the shard.
        error: the reason, as `{"type", "code", "message"}`.
    """
    return {
        "recordId": record["recordId"],
        "status": FAILED,
        "attempts": 0,
        "error": error,
        "modelInput": record["modelInput"],
    }


def with_earlier(result: dict[str, Any], earlier: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return a record's result plus the attempts and the cost of its earlier, interrupted runs."""
    for run in earlier:
        result = {
            **result,
            **with_earlier_figures(result, run),
            "attempts": result["attempts"] + run["attempts"],
            "totalUsage": sum_of_usage(result.get("totalUsage"), run["totalUsage"]),
            "estimatedCostUsd": sum_of(result.get("estimatedCostUsd"), run["estimatedCostUsd"]),
            **{
                name: result.get(name, 0) + run[name]
                for name in ("attemptsWithUnknownUsage", "answersWithoutPrice")
            },
        }
    return result


def _team_of(request: BedrockConverseRequest) -> dict[str, str]:
    team = (request.request_metadata or {}).get("team")
    return {"team": team} if isinstance(team, str) else {}
