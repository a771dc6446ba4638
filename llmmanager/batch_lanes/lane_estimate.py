"""What a batch would cost in a lane, how long it would take, and whether it is possible."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from llmmanager.batch_lanes.lane import Lane


@dataclass(frozen=True, slots=True)
class LaneEstimate:
    """The estimate of one lane.

    Attributes:
        lane: the lane.
        records: the records that can use the lane. The others run on demand.
        usd: the cost of all records of the batch; None if a price is unknown.
        seconds: how long the lane takes for its records.
        obstacle: why the lane cannot be used, or can miss the deadline; None if it is possible.
    """

    lane: Lane
    records: int
    usd: float | None
    seconds: float
    obstacle: str | None

    def to_members(self) -> dict[str, Any]:
        """Return the estimate as lanes.json and the HTTP API have it."""
        return {
            "lane": self.lane.value,
            "records": self.records,
            "estimatedCostUsd": None if self.usd is None else round(self.usd, 10),
            "estimatedSeconds": round(self.seconds),
            "possible": self.obstacle is None,
            "reason": self.obstacle,
        }
