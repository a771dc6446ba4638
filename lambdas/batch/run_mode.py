"""How the records of a shard run, and what comes next when their quota does not suffice for the deadline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lambdas.batch.options import OnThrottle, Options
from llmmanager.batch_lanes.lane import Lane

LANE = "lane"
"""The member of a shard item with its lane. Without it, the records run on demand."""
SKIPS_MANAGED = "skipsManaged"
"""The member of a shard item whose records leave out those that can run in a managed batch job."""
ON_DEMAND_SINCE = "onDemandSince"
"""The member of a shard item with the time at which its records left the flex tier."""
AFTER_JOBS = "afterJobs"
"""The member of a shard item that runs after the jobs of its batch, with the time at which they ended."""


@dataclass(frozen=True)
class RunMode:
    """How the records of a shard run.

    Attributes:
        lane: FLEX or ON_DEMAND. In FLEX, records that cannot use the flex tier run on demand.
        on_throttle: "wait" or "failover", as in `Options`.
    """

    lane: Lane
    on_throttle: OnThrottle


def run_modes(item: Mapping[str, Any], options: Options) -> Sequence[RunMode]:
    """Return how the records of a shard run. Each mode but the first is used to meet the deadline.

    The order is: wait in the flex tier, wait on demand, fail over to other models on demand.
    """
    modes = [RunMode(Lane.ON_DEMAND, options.on_throttle), RunMode(Lane.ON_DEMAND, "failover")]
    if item.get(LANE) == Lane.FLEX:
        modes.insert(0, RunMode(Lane.FLEX, "wait"))
    return tuple(dict.fromkeys(modes))


def on_demand_members(left_flex_at: datetime | None) -> dict[str, str]:
    """Return the members of a shard item whose records left the flex tier at this time; empty for None."""
    if left_flex_at is None:
        return {}
    return {LANE: Lane.ON_DEMAND.value, ON_DEMAND_SINCE: left_flex_at.isoformat()}


def rate_since(item: Mapping[str, Any]) -> datetime | None:
    """Return since when the rate of a batch predicts its end; None for the start of the run."""
    since = item.get(ON_DEMAND_SINCE, item.get(AFTER_JOBS))
    return None if since is None else datetime.fromisoformat(since)
