"""Compares the lanes of a batch, in a stack or before it is submitted to one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from llmmanager.batch_lanes.job_limits import MIN_JOB_RECORDS
from llmmanager.batch_lanes.lane import LANES, Lane, LaneUnavailable
from llmmanager.batch_lanes.lane_choice import LaneChoice, LaneCriteria, choose_lanes
from llmmanager.batch_lanes.lane_estimate import LaneEstimate
from llmmanager.batch_lanes.lane_explanation import explain
from llmmanager.batch_lanes.lane_times import lane_seconds
from llmmanager.batch_lanes.record_groups import LanePrice, RecordGroups
from llmmanager.bedrock.exceptions.llm_manager_exceptions import ConfigurationError

CALLS_AT_ONCE = 320
"""The calls of all workers of a batch together, in a stack with default settings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneComparison:
    """The lanes of a batch: what each would cost, and which ones a deployed stack uses.

    Attributes:
        lane: the requested lane, or "auto".
        deadline_seconds: the deadline of the batch; None without a deadline.
        records: the records that would run in each lane.
        usd: the cost of all records in these lanes in USD, or None if it is unknown.
        estimates: the cost and the time of each lane, and why it is not possible or may be late.
        explanation: why these lanes are chosen.
    """

    lane: str
    deadline_seconds: float | None
    records: Mapping[Lane, int]
    usd: float | None
    estimates: Sequence[LaneEstimate]
    explanation: str

    def to_members(self) -> dict[str, Any]:
        """Return the comparison in the form of `lanes` in the HTTP API."""
        return {
            "lane": self.lane,
            "deadlineSeconds": None if self.deadline_seconds is None else round(self.deadline_seconds),
            "records": {lane.value: count for lane, count in self.records.items()},
            "estimatedCostUsd": None if self.usd is None else round(self.usd, 10),
            "estimates": [estimate.to_members() for estimate in self.estimates],
            "explanation": self.explanation,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneOptions:
    """What the choice of lanes depends on, besides the records.

    Attributes:
        lane: a value of `lane.LANES`.
        deadline_seconds: the deadline of the batch; None without a deadline.
        concurrency: the calls of all workers of the batch together.

    Raises:
        ConfigurationError: a value is invalid.
    """

    lane: str
    deadline_seconds: float | None
    concurrency: int

    def __post_init__(self) -> None:
        if self.lane not in LANES:
            raise ConfigurationError(
                f"lane must be one of {', '.join(map(repr, LANES))} (got {self.lane!r})", {"lane": self.lane}
            )
        if self.deadline_seconds is not None and not _is_positive(self.deadline_seconds):
            raise ConfigurationError(
                f"deadline_seconds must be a number above 0 or None (got {self.deadline_seconds!r})",
                {"deadline_seconds": self.deadline_seconds},
            )
        if not isinstance(self.concurrency, int) or not _is_positive(self.concurrency):
            raise ConfigurationError(
                f"concurrency must be an integer of at least 1 (got {self.concurrency!r})",
                {"concurrency": self.concurrency},
            )


def compare_lanes(
    totals: RecordGroups,
    options: LaneOptions,
    *,
    model: str,
    price: LanePrice,
    unavailable: Mapping[Lane, str],
    quota_seconds: float | None,
    fails_over: bool,
) -> LaneComparison:
    """Return what a batch costs in each lane, and the lanes that a stack with these options uses.

    Args:
        totals: the records of the batch.
        model: the name of the first model.
        price: the price of tokens of the first model.
        unavailable: why the first model does not offer a lane.
        quota_seconds: how long the quotas of the first model make the batch; None if they are unknown.
        fails_over: whether the batch has other models.

    Raises:
        ConfigurationError: no record can use the requested lane.
    """
    eligible = totals.records_of(Lane.MANAGED)
    criteria = LaneCriteria(
        requested=options.lane,
        groups=totals.groups(price),
        seconds=lane_seconds(
            records=totals.records,
            output_tokens=totals.output_tokens,
            calls_at_once=options.concurrency,
            quota_seconds=quota_seconds,
            managed_records=eligible,
        ),
        deadline_seconds=options.deadline_seconds,
        job_records=eligible if eligible >= MIN_JOB_RECORDS else 0,
        unavailable=unavailable,
    )
    try:
        choice = choose_lanes(criteria)
    except LaneUnavailable as error:
        raise ConfigurationError(str(error), {"lane": options.lane}) from None
    return comparison_of(criteria, choice, totals, model=model, fails_over=fails_over)


def comparison_of(
    criteria: LaneCriteria, choice: LaneChoice, totals: RecordGroups, *, model: str, fails_over: bool
) -> LaneComparison:
    """Return the lanes that were chosen by criteria, with their explanation.

    Args:
        totals: the records of the batch.
        model: the name of the first model.
        fails_over: whether the batch has other models.
    """
    explanation = explain(
        criteria,
        choice,
        model=model,
        obstacles=totals.obstacles,
        unlimited_records=totals.unlimited_records,
        reads_cache=totals.reads_cache,
        fails_over=fails_over,
    )
    return LaneComparison(
        lane=choice.requested,
        deadline_seconds=criteria.deadline_seconds,
        records=choice.records,
        usd=choice.usd,
        estimates=choice.estimates,
        explanation=explanation,
    )


def _is_positive(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < float("inf")
