"""What a batch would cost in a lane, how long it would take, and whether that is possible in time."""

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
        obstacle: why no record can use the lane; None if some can.
        delay: why the batch may end after its deadline; None if it ends before, or has none.
    """

    lane: Lane
    records: int
    usd: float | None
    seconds: float
    obstacle: str | None
    delay: str | None

    @property
    def is_in_time(self) -> bool:
        """Whether the lane can be used and meet the deadline."""
        return self.obstacle is None and self.delay is None

    def to_members(self) -> dict[str, Any]:
        """Return the estimate as lanes.json and the HTTP API have it."""
        return {
            "lane": self.lane.value,
            "records": self.records,
            "estimatedCostUsd": None if self.usd is None else round(self.usd, 10),
            "estimatedSeconds": round(self.seconds),
            "possible": self.obstacle is None,
            "inTime": self.delay is None,
            "reason": self.obstacle or self.delay,
        }
