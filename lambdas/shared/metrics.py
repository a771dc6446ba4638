"""Metrics, as lines of the log that CloudWatch turns into metrics (embedded metric format).

A line for each model and region, which counts toward the totals as well; a request that no target answered
counts toward the totals alone. Tokens and cost are those of every answer that was paid for, valid or not, at
the target that gave it. Who called stands on the line and is no dimension: every new value of one is a metric
with a price of its own. A counter that is zero is left out, for the same reason.

Written here, in these few lines, and not with Powertools' Metrics: that keeps one set of dimensions at a
time, and a worker sums up hundreds of records by target before it writes a line for each.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from lambdas.shared.traces import send_attempts
from llmmanager import BedrockResponse
from llmmanager.bedrock.exceptions.llm_manager_exceptions import LLMManagerError
from llmmanager.bedrock.routing.classification import classify
from llmmanager.bedrock.routing.decision import Kind

REQUESTS: Final = "Requests"
ATTEMPTS: Final = "Attempts"
FAILOVERS: Final = "Failovers"
THROTTLES: Final = "Throttles"
FAILURES: Final = "Failures"
INPUT_TOKENS: Final = "InputTokens"
OUTPUT_TOKENS: Final = "OutputTokens"
COST: Final = "EstimatedCostUsd"
UNKNOWN_USAGE: Final = "AttemptsWithUnknownUsage"
ALL_COOLING: Final = "AllTargetsCooling"
CATALOG_AGE: Final = "CatalogAgeSeconds"

_UNITS: Final = {COST: "None", CATALOG_AGE: "Seconds"}
_THROTTLED = (Kind.THROTTLE, Kind.QUOTA)
_NOWHERE = ("", "")


class Tally:
    """Counts calls by model and region; used in a `with`, at whose end it writes them into the log.

    Args:
        door: how the requests came: "http", "batch", "events".
        caller: who sent them, where that is known: an identity's ARN.
    """

    def __init__(self, *, door: str, caller: str | None = None) -> None:
        self._properties = {"door": door, **({"caller": caller} if caller else {})}
        self._counts: defaultdict[tuple[str, str], defaultdict[str, float]] = defaultdict(_zeros)

    def add(self, response: BedrockResponse) -> None:
        """Count a call that has ended, answered or not."""
        self.add_attempts(response)
        answered = response.success and response.model_used and response.region_used
        place = (response.model_used or "", response.region_used or "") if answered else _NOWHERE
        counts = self._counts[place]
        counts[REQUESTS] += 1
        counts[FAILURES] += not response.success
        counts[FAILOVERS] += bool(answered) and _first_target(response) != place

    def add_attempts(self, response: BedrockResponse) -> None:
        """Count the attempts of a call that is not finished, such as one that is tried again later."""
        for attempt in response.attempts:
            counts = self._counts[attempt.model_id, attempt.region]
            counts[ATTEMPTS] += 1
            decision = classify(attempt.error) if attempt.error else None
            counts[THROTTLES] += decision is not None and decision.kind in _THROTTLED
            usage = attempt.usage or {}
            counts[INPUT_TOKENS] += usage.get("inputTokens", 0)
            counts[OUTPUT_TOKENS] += usage.get("outputTokens", 0)
            counts[COST] += attempt.estimated_cost_usd or 0
            counts[UNKNOWN_USAGE] += not attempt.usage_known

    def __enter__(self) -> Tally:
        return self

    def __exit__(self, *_: object) -> None:
        for (model, region), counts in self._counts.items():
            where = {"Model": model, "Region": region} if model else {}
            values = {name: value for name, value in counts.items() if value}
            put_metrics(values, by=where, properties=self._properties)


def record_call(response: BedrockResponse, *, door: str, caller: str | None = None) -> None:
    """Count one call and write it down, and tell X-Ray of its attempts where it traces."""
    with Tally(door=door, caller=caller) as tally:
        tally.add(response)
    send_attempts(response.attempts)


def recorded(call: Callable[[], BedrockResponse], *, door: str, caller: str | None = None) -> BedrockResponse:
    """Make the call and record it, also when it fails.

    Raises:
        LLMManagerError: as the call does. What was refused before any attempt is not recorded.
    """
    try:
        response = call()
    except LLMManagerError as error:
        failed: BedrockResponse | None = getattr(error, "response", None)
        if failed is not None:
            record_call(failed, door=door, caller=caller)
        raise
    record_call(response, door=door, caller=caller)
    return response


def put_metrics(
    values: Mapping[str, float], *, by: Mapping[str, str], properties: Mapping[str, Any] | None = None
) -> None:
    """Write metrics into the log: in total, and by these dimensions if any.

    Args:
        properties: what stands on the line beside them, for those who search the log.
    """
    if not values:
        return
    dimensions: list[Sequence[str]] = [[], list(by)] if by else [[]]
    line = {
        "_aws": {
            "Timestamp": time.time_ns() // 1_000_000,
            "CloudWatchMetrics": [
                {
                    "Namespace": os.environ.get("LLMMANAGER_METRICS_NAMESPACE") or "LLMManager",
                    "Dimensions": dimensions,
                    "Metrics": [{"Name": name, "Unit": _UNITS.get(name, "Count")} for name in values],
                }
            ],
        },
        **(properties or {}),
        **by,
        **values,
    }
    sys.stdout.write(json.dumps(line, separators=(",", ":")) + "\n")
    sys.stdout.flush()


def _zeros() -> defaultdict[str, float]:
    return defaultdict(int)


def _first_target(response: BedrockResponse) -> tuple[str, str] | None:
    first = next(iter(response.attempts), None)
    return (first.model_id, first.region) if first else None
