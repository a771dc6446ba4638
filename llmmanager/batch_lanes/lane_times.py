"""How long each lane takes for the records of a batch: estimates that are rather too long than too short."""

from __future__ import annotations

import math
from dataclasses import dataclass

from llmmanager.batch_files.record_retries import RECORD_SECONDS
from llmmanager.batch_lanes.job_limits import MAX_JOB_RECORDS
from llmmanager.batch_lanes.lane import Lane

JOB_SECONDS_PER_RECORD = 1.5
"""Jobs of about 1,000 records took 9 to 25 minutes in one account (2026). This is the longest. AWS promises
nothing."""
MIN_JOB_SECONDS = 1_500.0
"""Smaller jobs wait in the queue as well: the longest time that was observed."""
JOB_END_SECONDS = 600.0
"""The time to notice the end of a job, which is polled every five minutes, and to import or stop it."""
JOBS_AT_ONCE = 10
"""Jobs of a model that run at the same time in a region: the lowest of the default quotas (10 to 100)."""
FLEX_SLOWDOWN = 3.0
"""How much longer a call takes in the flex tier. An assumption: AWS publishes no figure."""
TOKENS_PER_SECOND = 50.0
"""Output tokens per second of a call: an assumption that the large models meet."""
CALL_SECONDS = 2.0
"""The time of a call until the first token: an assumption."""


@dataclass(frozen=True, slots=True)
class LaneSeconds:
    """The seconds that each lane needs for the records that can use it."""

    on_demand: float
    flex: float
    managed: float

    def of(self, lane: Lane) -> float:
        """Return the seconds of a lane."""
        return {Lane.ON_DEMAND: self.on_demand, Lane.FLEX: self.flex, Lane.MANAGED: self.managed}[lane]

    def until_done(self, lane: Lane) -> float:
        """Return the seconds of a lane that answers no record, with those of running all on demand after."""
        return self.of(lane) + (0.0 if lane is Lane.ON_DEMAND else self.on_demand)


def lane_seconds(
    *,
    records: int,
    output_tokens: float,
    calls_at_once: int,
    quota_seconds: float | None,
    managed_records: int,
    jobs: int | None = None,
) -> LaneSeconds:
    """Return how long each lane takes.

    The flex tier uses the same quotas as on demand: https://docs.aws.amazon.com/bedrock/latest/userguide/
    service-tiers-inference.html

    Args:
        records: all records of the batch.
        output_tokens: of all records.
        calls_at_once: the calls of all workers of the batch together.
        quota_seconds: how long the quotas of the model make the records take; None if they are unknown.
        managed_records: the records that can run in jobs.
        jobs: the number of jobs; None if only the limit of records divides them.
    """
    per_call = min(CALL_SECONDS + output_tokens / max(records, 1) / TOKENS_PER_SECOND, RECORD_SECONDS)
    rounds = math.ceil(records / calls_at_once)
    quota = quota_seconds or 0.0
    return LaneSeconds(
        on_demand=max(rounds * per_call, quota),
        flex=max(rounds * min(per_call * FLEX_SLOWDOWN, RECORD_SECONDS), quota),
        managed=job_seconds(managed_records, jobs=jobs),
    )


def job_seconds(records: int, *, jobs: int | None = None) -> float:
    """Return how long jobs take for so many records together.

    Args:
        jobs: their number, of about the same size; None for as few as possible.
    """
    count = jobs or max(math.ceil(records / MAX_JOB_RECORDS), 1)
    of_one = max(records / count * JOB_SECONDS_PER_RECORD, MIN_JOB_SECONDS)
    return of_one * math.ceil(count / JOBS_AT_ONCE) + JOB_END_SECONDS
