"""Chooses the lanes of a batch: the cheapest ones that can meet its deadline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from llmmanager.batch_lanes.job_limits import MIN_JOB_RECORDS
from llmmanager.batch_lanes.lane import AUTO, Lane, LaneUnavailable
from llmmanager.batch_lanes.lane_estimate import LaneEstimate
from llmmanager.batch_lanes.lane_text import time_text, times_text
from llmmanager.batch_lanes.lane_times import LaneSeconds
from llmmanager.batch_lanes.record_groups import USABLE_LANES, RecordGroup, known_sum
from llmmanager.batch_report.number_formats import counted

# A smaller difference in cost comes from rounding.
_SAME_USD = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneCriteria:
    """What the choice of the lanes of a batch depends on.

    Attributes:
        requested: a value of `lane.LANES`.
        groups: the records by the lanes that they can use, with their costs.
        seconds: the time of each lane.
        deadline_seconds: seconds until the deadline; None without a deadline.
        job_records: the records that jobs can cover; 0 if they are too few for a job.
        unavailable: why a lane cannot be used by any record, by lane.
    """

    requested: str
    groups: Sequence[RecordGroup]
    seconds: LaneSeconds
    deadline_seconds: float | None
    job_records: int
    unavailable: Mapping[Lane, str]

    @property
    def records(self) -> int:
        """The number of records of the batch."""
        return sum(group.records for group in self.groups)

    def usable_records(self, lane: Lane) -> int:
        """Return how many records can use a lane."""
        if lane in self.unavailable:
            return 0
        if lane is Lane.MANAGED:
            return self.job_records
        return sum(group.records for group in self.groups if lane in group.usd)


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneChoice:
    """The lanes of a batch.

    Attributes:
        requested: a value of `lane.LANES`.
        lanes: the chosen lane of the records, by the last lane that they can use.
        records: the number of records by chosen lane.
        usd: the cost of all records; None if a price is unknown.
        estimates: one for each lane.
    """

    requested: str
    lanes: Mapping[Lane, Lane]
    records: Mapping[Lane, int]
    usd: float | None
    estimates: Sequence[LaneEstimate]

    def estimate(self, lane: Lane) -> LaneEstimate:
        """Return the estimate of a lane."""
        return next(estimate for estimate in self.estimates if estimate.lane is lane)


def choose_lanes(criteria: LaneCriteria) -> LaneChoice:
    """Return the lanes of a batch.

    "auto" uses another lane than on demand only for a batch with a deadline, and only if the estimated time
    of the lane is short enough for running all records on demand afterwards. Of the lanes with the lowest
    cost, it uses the fastest one.

    Raises:
        LaneUnavailable: no record can use the requested lane.
    """
    estimates = tuple(_estimate(criteria, lane) for lane in Lane)
    if criteria.requested == AUTO:
        lanes = {group.last_lane: _cheapest(criteria, group, estimates) for group in criteria.groups}
    else:
        requested = Lane(criteria.requested)
        problem = _unusable(criteria, requested)
        if problem and criteria.records:  # A batch without valid records ends with the reasons of each.
            raise LaneUnavailable(requested, problem)
        lanes = {
            group.last_lane: requested if requested in USABLE_LANES[group.last_lane] else Lane.ON_DEMAND
            for group in criteria.groups
        }
    return LaneChoice(
        requested=criteria.requested,
        lanes=lanes,
        records=_records_by_lane(criteria, lanes),
        usd=known_sum([group.usd[lanes[group.last_lane]] for group in criteria.groups]),
        estimates=estimates,
    )


def _cheapest(criteria: LaneCriteria, group: RecordGroup, estimates: Sequence[LaneEstimate]) -> Lane:
    """Return the lane of a group for "auto"."""
    on_demand = group.usd[Lane.ON_DEMAND]
    if criteria.deadline_seconds is None or on_demand is None or not group.records:
        return Lane.ON_DEMAND
    best, best_usd = Lane.ON_DEMAND, on_demand
    in_time = [estimate for estimate in estimates if estimate.is_in_time]
    for estimate in sorted(in_time, key=lambda estimate: estimate.seconds):
        usd = group.usd.get(estimate.lane)
        if usd is not None and usd < best_usd - _SAME_USD:
            best, best_usd = estimate.lane, usd
    return best


def _estimate(criteria: LaneCriteria, lane: Lane) -> LaneEstimate:
    usd = [group.usd[lane if lane in group.usd else Lane.ON_DEMAND] for group in criteria.groups]
    return LaneEstimate(
        lane,
        criteria.usable_records(lane),
        None if lane in criteria.unavailable else known_sum(usd),
        criteria.seconds.of(lane),
        _unusable(criteria, lane),
        _too_slow(criteria, lane),
    )


def _unusable(criteria: LaneCriteria, lane: Lane) -> str | None:
    """Return why no record can use a lane, or None."""
    if lane in criteria.unavailable:
        return criteria.unavailable[lane]
    if lane is not Lane.ON_DEMAND and not criteria.records:
        return "no record is valid"
    if lane is Lane.MANAGED and criteria.job_records < MIN_JOB_RECORDS:
        eligible = sum(group.records for group in criteria.groups if lane in group.usd)
        if eligible >= MIN_JOB_RECORDS:
            return f"a job needs at least {MIN_JOB_RECORDS} records, and so many of that size exceed a job"
        return f"{counted(eligible, 'record')} can run in a job, and a job needs at least {MIN_JOB_RECORDS}"
    if lane is Lane.FLEX and not criteria.usable_records(lane):
        return "every record has a service tier or a latency setting of its own"
    return None


def _too_slow(criteria: LaneCriteria, lane: Lane) -> str | None:
    """Return why a lane can miss the deadline, or None."""
    deadline = criteria.deadline_seconds
    if deadline is None or criteria.seconds.until_done(lane) <= deadline:
        return None
    return (
        f"it takes {times_text(criteria.seconds, lane)}; the deadline is in {time_text(max(deadline, 0.0))}"
    )


def _records_by_lane(criteria: LaneCriteria, lanes: Mapping[Lane, Lane]) -> dict[Lane, int]:
    records = dict.fromkeys(Lane, 0)
    for group in criteria.groups:
        chosen = lanes[group.last_lane]
        usable = criteria.job_records if chosen is Lane.MANAGED else group.records
        records[chosen] += usable
        # Records that are too large for a job of enough records run on demand.
        records[Lane.ON_DEMAND] += group.records - usable
    return records
