"""The summary of a batch: totals over its results."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from llmmanager.batch_files.record_figures import sum_of
from llmmanager.batch_files.results import ANSWERED
from llmmanager.batch_lanes.lane import Lane
from llmmanager.batch_report.batch_figures import BatchFigures


@dataclass
class LaneTotals:
    """Totals over the results of one lane. A cost is None while no price is known."""

    answered: int = 0
    cost: float | None = None
    saved: float | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the totals in `byLane` of the summary."""
        return {
            "answered": self.answered,
            "estimatedCostUsd": _rounded(self.cost),
            "savedUsd": _rounded(self.saved),
        }


@dataclass
class BatchTotals:
    """Totals over the results of a batch.

    Attributes:
        figures: what the report of the batch shows.
    """

    answered: int = 0
    failed: int = 0
    attempts: int = 0
    cost: float = 0.0
    saved_by_cache: float | None = None
    unknown_usage: int = 0
    without_price: int = 0
    by_region: Counter[str] = field(default_factory=Counter)
    by_model: Counter[str] = field(default_factory=Counter)
    by_lane: defaultdict[str, LaneTotals] = field(default_factory=lambda: defaultdict(LaneTotals))
    usage: Counter[str] = field(default_factory=Counter)
    figures: BatchFigures = field(default_factory=BatchFigures)

    def add(self, result: Mapping[str, Any]) -> None:
        """Count the result of a record."""
        self._add_cost(result)
        self.figures.add(result)
        self.attempts += result["attempts"]
        if result["status"] != ANSWERED:
            self.failed += 1
            return
        self.answered += 1
        self.by_region[result["region"]] += 1
        self.by_model[result["model"]] += 1
        lane = self.by_lane[_lane_of(result)]
        lane.answered += 1
        lane.saved = sum_of(lane.saved, result.get("savedUsd"))

    def add_cost(self, result: Mapping[str, Any]) -> None:
        """Count only the usage and cost of a result: another result of its record counts."""
        self._add_cost(result)
        self.figures.add_cost(result)

    def _add_cost(self, result: Mapping[str, Any]) -> None:
        # A part of an earlier version has only the usage and the cost of the answer.
        usage = result.get("totalUsage") or result.get("usage") or {}
        for name, tokens in usage.items():
            if isinstance(tokens, int):
                self.usage[name] += tokens
        cost = result.get("estimatedCostUsd")
        self.cost += cost or 0
        self.saved_by_cache = sum_of(self.saved_by_cache, result.get("cacheSavedUsd"))
        if cost:
            lane = self.by_lane[_lane_of(result)]
            lane.cost = sum_of(lane.cost, cost)
        self.unknown_usage += result.get("attemptsWithUnknownUsage", 0)
        self.without_price += result.get("answersWithoutPrice", int(bool(usage) and cost is None))

    def summary(
        self,
        batch_id: str,
        *,
        rejected: int,
        started_at: datetime,
        ended_at: datetime,
        stop_reason: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Return the content of `summary.json`.

        `records` counts all records of the input: answered, failed and rejected ones. Usage and cost include
        all answers that were paid for, valid or not. `answersWithoutPrice` is the number of answers that the
        cost does not include, and `attemptsWithUnknownUsage` the number of attempts whose tokens are unknown.
        `errors` counts the failed records, and `errorCodes` the failed attempts, by error code. `cache` has
        the tokens that were read from the prompt cache and written to it, and what this saved: a negative
        number if writing cost more than reading saved, and null if it is unknown.

        Args:
            rejected: number of invalid lines of the input.
            started_at, ended_at: of the batch, with a time zone.
            stop_reason: why the batch ended early, as `{"type", "message", …}`.
        """
        reason = {"reason": stop_reason["message"]} if stop_reason else {}
        return {
            "batchId": batch_id,
            "status": "stopped" if stop_reason else "succeeded",
            **reason,
            "records": self.answered + self.failed + rejected,
            "answered": self.answered,
            "failed": self.failed,
            "rejected": rejected,
            "byRegion": dict(self.by_region),
            "byModel": dict(self.by_model),
            "byLane": {name: totals.to_json() for name, totals in self.by_lane.items()},
            "attempts": self.attempts,
            "throttles": self.figures.throttles,
            "errors": self.figures.failed_records(),
            "errorCodes": self.figures.failed_attempts(),
            "byTarget": self.figures.by_target(),
            "latencyMs": self.figures.call_latency.summary(),
            "usage": dict(self.usage),
            "cache": self._cache(),
            "estimatedCostUsd": self._known_cost(),
            "answersWithoutPrice": self.without_price,
            "attemptsWithUnknownUsage": self.unknown_usage,
            "startedAt": started_at.isoformat(),
            "endedAt": ended_at.isoformat(),
            "wallSeconds": round((ended_at - started_at).total_seconds(), 3),
        }

    def _cache(self) -> dict[str, Any]:
        read, written = (self.usage[f"cache{kind}InputTokens"] for kind in ("Read", "Write"))
        saved = self.saved_by_cache if read or written else 0.0
        return {"readTokens": read, "writeTokens": written, "savedUsd": _rounded(saved)}

    def _known_cost(self) -> float | None:
        is_unknown = not self.cost and (self.without_price or self.unknown_usage)
        return None if is_unknown else _rounded(self.cost)


def _lane_of(result: Mapping[str, Any]) -> str:
    # A part of an earlier version has no lane, nor has a record that never ran.
    lane: str = result.get("lane", Lane.ON_DEMAND.value)
    return lane


def _rounded(usd: float | None) -> float | None:
    return None if usd is None else round(usd, 10)
