"""What a batch came to, added up result by result."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from lambdas.batch.results import ANSWERED
from lambdas.batch.storage import Plan


@dataclass
class Totals:
    """Running sums over results."""

    answered: int = 0
    failed: int = 0
    attempts: int = 0
    cost: float = 0.0
    priced: int = 0
    by_region: Counter[str] = field(default_factory=Counter)
    by_model: Counter[str] = field(default_factory=Counter)
    usage: Counter[str] = field(default_factory=Counter)

    def add(self, result: Mapping[str, Any]) -> None:
        """Count one result."""
        self.attempts += result["attempts"]
        if result["status"] != ANSWERED:
            self.failed += 1
            return
        self.answered += 1
        self.by_region[result["region"]] += 1
        self.by_model[result["model"]] += 1
        for name, tokens in (result["usage"] or {}).items():
            if isinstance(tokens, int):
                self.usage[name] += tokens
        if result["estimatedCostUsd"] is not None:
            self.cost += result["estimatedCostUsd"]
            self.priced += 1

    def summary(
        self, batch_id: str, plan: Plan, *, ended_at: datetime, early_end: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """The totals as `summary.json` has them.

        `records` counts every line of the input: answered, failed and rejected ones. The cost is that of the
        answers whose price is known; `answersWithoutPrice` tells how many it leaves out.

        Args:
            early_end: why not all was run, as `{"type", "message", …}`.
        """
        reason = {"reason": early_end["message"]} if early_end else {}
        return {
            "batchId": batch_id,
            "status": "stopped" if early_end else "succeeded",
            **reason,
            "records": self.answered + self.failed + plan.rejected,
            "answered": self.answered,
            "failed": self.failed,
            "rejected": plan.rejected,
            "byRegion": dict(self.by_region),
            "byModel": dict(self.by_model),
            "attempts": self.attempts,
            "usage": dict(self.usage),
            "estimatedCostUsd": round(self.cost, 10) if self.priced or not self.answered else None,
            "answersWithoutPrice": self.answered - self.priced,
            "startedAt": plan.started_at.isoformat(),
            "endedAt": ended_at.isoformat(),
            "wallSeconds": round((ended_at - plan.started_at).total_seconds(), 3),
        }
