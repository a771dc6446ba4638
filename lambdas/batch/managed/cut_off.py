"""When the jobs of a batch are stopped, so that the on-demand lane can finish before the deadline."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from llmmanager.batch_lanes.lane import Lane

# Bedrock needs some time to stop a job, and the import takes some.
_MARGIN_SHARE: Final = 0.1
_MAX_MARGIN = timedelta(minutes=15)
# Without an estimate of the on-demand lane, it gets this share of the time.
_UNKNOWN_SHARE: Final = 0.5


@dataclass(frozen=True, slots=True)
class CutOff:
    """When the jobs of a batch with a deadline are stopped.

    Attributes:
        at: the time of the stop.
        margin: the time for stopping and importing, which lies between the stop and the on-demand run.
    """

    at: datetime
    margin: timedelta

    @classmethod
    def of(
        cls, deadline: datetime, *, started_at: datetime, records: int, lanes: Mapping[str, Any] | None
    ) -> CutOff:
        """Return the cut-off.

        Args:
            started_at: when the run started.
            records: number of records that may be left for the on-demand lane.
            lanes: the content of `lanes.json`; None if it does not exist.
        """
        span = max(deadline - started_at, timedelta())
        needed = _on_demand_time((lanes or {}).get("estimates", ()), records)
        margin = min(span * _MARGIN_SHARE, _MAX_MARGIN)
        return cls(deadline - margin - (span * _UNKNOWN_SHARE if needed is None else needed), margin)


def _on_demand_time(estimates: Iterable[Mapping[str, Any]], records: int) -> timedelta | None:
    """Return how long the on-demand lane takes for a number of records, or None if it is unknown."""
    for estimate in estimates:
        seconds, estimated = estimate.get("estimatedSeconds"), estimate.get("records")
        if estimate["lane"] == Lane.ON_DEMAND and seconds is not None and estimated:
            return timedelta(seconds=seconds * records / estimated)
    return None
