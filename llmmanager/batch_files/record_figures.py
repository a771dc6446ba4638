"""Figures of a record for its result: latency, throttles, errors, and tokens and cost of each target."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from functools import reduce
from typing import Any

from llmmanager.batch_files.record_cache import cache_figures
from llmmanager.bedrock.exceptions.aws_error_code import aws_error_code
from llmmanager.bedrock.models.bedrock_response import BedrockResponse
from llmmanager.bedrock.models.request_attempt import RequestAttempt
from llmmanager.bedrock.routing.classification import is_throttled
from llmmanager.json_format.codec import bedrock_names

Figures = Mapping[str, Any]


def record_figures(response: BedrockResponse) -> dict[str, Any]:
    """Return the figures of a call.

    Returns:
        `latencyMs`: duration of the last attempt, without waits; `startedAt`, `endedAt`: start of the first
        attempt and end of the last; `throttles`: throttled attempts; `errorCodes`: failed attempts by error
        code; `byTarget`: attempts, throttles, tokens and cost by model and region. Without an attempt, the
        first three are null. `validationErrors` only if an answer was invalid: the rule that it broke.
        `cacheSavedUsd` only if the prompt cache was used.
    """
    attempts = response.attempts
    errors = Counter(_error_name(attempt.error) for attempt in attempts if attempt.error is not None)
    invalid = [error["error_message"] for error in response.get_validation_errors()]
    return {
        "latencyMs": round(attempts[-1].duration_ms, 3) if attempts else None,
        "startedAt": attempts[0].start_time.isoformat() if attempts else None,
        "endedAt": attempts[-1].end_time.isoformat() if attempts else None,
        "throttles": sum(is_throttled(attempt.error) for attempt in attempts),
        "errorCodes": dict(errors),
        "byTarget": sum_by_target(map(_target_row, attempts)),
        **({"validationErrors": invalid} if invalid else {}),
        **cache_figures(response),
    }


def with_earlier_figures(result: Figures, earlier: Figures) -> dict[str, Any]:
    """Return the figures of a result plus those of an earlier, interrupted run of the record.

    A run of an earlier version of the stack has no figures.
    """
    started = [run["startedAt"] for run in (earlier, result) if run.get("startedAt")]
    if "byTarget" not in earlier:
        return {}
    return {
        "startedAt": min(started, default=None),
        "endedAt": result.get("endedAt") or earlier["endedAt"],
        "throttles": result.get("throttles", 0) + earlier["throttles"],
        "errorCodes": dict(Counter(earlier["errorCodes"]) + Counter(result.get("errorCodes", {}))),
        "byTarget": sum_by_target([*earlier["byTarget"], *result.get("byTarget", ())]),
        **_sum_of_savings(result, earlier),
    }


def _sum_of_savings(*runs: Figures) -> dict[str, float | None]:
    found = [run["cacheSavedUsd"] for run in runs if "cacheSavedUsd" in run]
    return {"cacheSavedUsd": reduce(sum_of, found)} if found else {}


def sum_by_target(rows: Iterable[Figures]) -> list[dict[str, Any]]:
    """Return one row for each model and region, in the order of the first attempts."""
    sums: dict[tuple[str, str], dict[str, Any]] = {}
    for row in rows:
        target = row["model"], row["region"]
        known = sums.get(target)
        sums[target] = dict(row) if known is None else _sum_of_rows(known, row)
    return list(sums.values())


def sum_of(one: float | None, other: float | None) -> float | None:
    """Return the sum of the known numbers; None if both are unknown."""
    return one if other is None else other if one is None else one + other


def sum_of_usage(one: Mapping[str, int] | None, other: Mapping[str, int] | None) -> Mapping[str, int] | None:
    """Return the sum of the known token counts; None if both are unknown."""
    if one is None or other is None:
        return other if one is None else one
    return {name: one.get(name, 0) + other.get(name, 0) for name in {**one, **other}}


def _target_row(attempt: RequestAttempt) -> dict[str, Any]:
    cost, usage = attempt.estimated_cost_usd, attempt.usage
    if cost is None and usage is not None and not any(usage.values()):
        cost = 0.0  # rejected, or not sent
    return {
        "model": attempt.model_id,
        "region": attempt.region,
        "attempts": 1,
        "throttles": int(is_throttled(attempt.error)),
        "usage": bedrock_names(usage),
        "estimatedCostUsd": cost,
    }


def _sum_of_rows(one: Figures, other: Figures) -> dict[str, Any]:
    return {
        **one,
        "attempts": one["attempts"] + other["attempts"],
        "throttles": one["throttles"] + other["throttles"],
        "usage": sum_of_usage(one["usage"], other["usage"]),
        "estimatedCostUsd": sum_of(one["estimatedCostUsd"], other["estimatedCostUsd"]),
    }


def _error_name(error: Exception) -> str:
    return aws_error_code(error) or type(error).__name__
