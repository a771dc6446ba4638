"""One line about one record: its answer, or why there is none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from lambdas.shared.codec import encode_request, encode_response, encode_totals, last_error
from llmmanager import BedrockConverseRequest, BedrockResponse

ANSWERED = "answered"
FAILED = "failed"
INTERRUPTED = "interrupted"
"""The time of the invocation ran out: the record is run again, and what the attempts cost is kept."""


def result_of(request: BedrockConverseRequest, response: BedrockResponse) -> dict[str, Any]:
    """Return the result of a record that was run."""
    result = {
        "recordId": request.request_id,
        "status": ANSWERED if response.success else FAILED,
        **encode_response(response),
        "attempts": len(response.attempts),
    }
    if not response.success:
        result |= {"error": last_error(response), "modelInput": encode_request(request)}
    return result


def interrupted_result(request: BedrockConverseRequest, response: BedrockResponse) -> dict[str, Any]:
    """Return what is kept of a record that is run again: how much its attempts have cost."""
    return {
        "recordId": request.request_id,
        "status": INTERRUPTED,
        "attempts": len(response.attempts),
        **encode_totals(response),
    }


def missed_result(record: dict[str, Any], error: dict[str, Any]) -> dict[str, Any]:
    """Return the result of a record that no worker finished.

    Args:
        record: as it stands in its shard.
        error: why, as `{"type", "code", "message"}`.
    """
    return {
        "recordId": record["recordId"],
        "status": FAILED,
        "attempts": 0,
        "error": error,
        "modelInput": record["modelInput"],
    }


def with_earlier(result: dict[str, Any], earlier: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return a record's result with the attempts and the cost of its earlier, interrupted runs added."""
    for run in earlier:
        result = {
            **result,
            "attempts": result["attempts"] + run["attempts"],
            "totalUsage": _sum_of_usage(result.get("totalUsage"), run["totalUsage"]),
            "estimatedCostUsd": _sum_of(result.get("estimatedCostUsd"), run["estimatedCostUsd"]),
            **{
                name: result.get(name, 0) + run[name]
                for name in ("attemptsWithUnknownUsage", "answersWithoutPrice")
            },
        }
    return result


def _sum_of(one: float | None, other: float | None) -> float | None:
    return one if other is None else other if one is None else one + other


def _sum_of_usage(one: Mapping[str, int] | None, other: Mapping[str, int] | None) -> Mapping[str, int] | None:
    if one is None or other is None:
        return other if one is None else one
    return {name: one.get(name, 0) + other.get(name, 0) for name in {**one, **other}}
