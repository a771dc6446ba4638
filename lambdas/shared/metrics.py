"""Metrics, written to the log in CloudWatch's embedded metric format.

There is a line for each model and region, which also counts toward the totals. A request that no target
answered counts only toward the totals. Tokens and cost are those of all answers that were paid for, valid or
not, at the target that answered. The caller is a field of the line but not a dimension, because each value of
a dimension is a metric that costs money. Counters that are zero are omitted for the same reason.

Powertools' Metrics is not used: it adds the service as a dimension of the totals, and it writes each value as
a list, which Logs Insights does not read as a number.
"""

from __future__ import annotations

import json
import sys
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

from lambdas.contract import Metric, MetricDimension
from lambdas.shared.settings import metrics_namespace
from lambdas.usage.caller import Caller
from llmmanager import BedrockResponse
from llmmanager.bedrock.routing.classification import is_throttled

ENTRY_POINT_FIELD: Final = "door"

_UNITS: Final = {Metric.COST: "None", Metric.CATALOG_AGE: "Seconds"}
_NO_TARGET = ("", "")


class Tally:
    """Counts calls by model and region, and writes the metrics at the end of its `with` block.

    Args:
        entry_point: how the requests were received: "http", "batch" or "events".
        caller: who pays; None for requests of several callers.
    """

    def __init__(self, *, entry_point: str, caller: Caller | None = None) -> None:
        self._properties = {ENTRY_POINT_FIELD: entry_point, **(caller.log_fields() if caller else {})}
        self._counts: defaultdict[tuple[str, str], defaultdict[str, float]] = defaultdict(_zeros)

    def add(self, response: BedrockResponse) -> None:
        """Count a call that has ended, with or without an answer."""
        self.add_attempts(response)
        answered = response.success and response.model_used and response.region_used
        target = (response.model_used or "", response.region_used or "") if answered else _NO_TARGET
        counts = self._counts[target]
        counts[Metric.REQUESTS] += 1
        counts[Metric.FAILURES] += not response.success
        counts[Metric.FAILOVERS] += bool(answered) and _first_target(response) != target

    def add_attempts(self, response: BedrockResponse) -> None:
        """Count the attempts of a call that continues later."""
        for attempt in response.attempts:
            counts = self._counts[attempt.model_id, attempt.region]
            counts[Metric.ATTEMPTS] += 1
            counts[Metric.THROTTLES] += is_throttled(attempt.error)
            usage = attempt.usage or {}
            counts[Metric.INPUT_TOKENS] += usage.get("inputTokens", 0)
            counts[Metric.OUTPUT_TOKENS] += usage.get("outputTokens", 0)
            counts[Metric.COST] += attempt.estimated_cost_usd or 0
            counts[Metric.UNKNOWN_USAGE] += not attempt.usage_known

    def __enter__(self) -> Tally:
        return self

    def __exit__(self, *_: object) -> None:
        for (model, region), counts in self._counts.items():
            dimensions = {MetricDimension.MODEL: model, MetricDimension.REGION: region} if model else {}
            values = {name: value for name, value in counts.items() if value}
            put_metrics(values, by=dimensions, properties=self._properties)


def put_metrics(
    values: Mapping[str, float], *, by: Mapping[str, str], properties: Mapping[str, Any] | None = None
) -> None:
    """Write metrics to the log: the totals, and the values by these dimensions, if there are any.

    Args:
        properties: additional fields of the line, for searches of the log.
    """
    if not values:
        return
    dimensions: list[Sequence[str]] = [[], list(by)] if by else [[]]
    line = {
        "_aws": {
            "Timestamp": time.time_ns() // 1_000_000,
            "CloudWatchMetrics": [
                {
                    "Namespace": metrics_namespace(),
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
