"""The progress of a batch: its counts, its rate, and the shards that wait for quota."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from lambdas.batch.storage import BatchStorage, Plan, ResultPart
from lambdas.batch.waiting_shards import WaitingShards, read_waiting_shards
from llmmanager.batch_files.quota_shortage import WINDOWS_PER_HOUR
from llmmanager.bedrock.routing.quota_gates import window_seconds

# The rate is measured over the last windows. Over an hour, it would show a changed quota too late.
_RATE_WINDOWS = WINDOWS_PER_HOUR // 6


@dataclass(frozen=True)
class Progress:
    """The progress of a planned batch.

    Attributes:
        per_second: results per second in the last ten minutes, or since the start of the run if later.
        waiting: the shards that wait for quota, or None.
        in_jobs: number of records that wait in managed batch jobs.
    """

    records: int
    answered: int
    failed: int
    rejected: int
    per_second: float
    waiting: WaitingShards | None = None
    in_jobs: int = 0

    @property
    def pending(self) -> int:
        """Number of records without a result that workers run. Those in managed batch jobs do not count."""
        return max(self.records - self.rejected - self.answered - self.failed - self.in_jobs, 0)

    @property
    def seconds_left(self) -> float | None:
        """Seconds until the workers have run these records at the present rate; None if the rate is 0."""
        if not self.pending:
            return 0.0
        return self.pending / self.per_second if self.per_second else None

    def counts(self) -> dict[str, Any]:
        """Return the `counts` of `GET /v1/batches/{id}` for a batch that is not running."""
        return {
            "records": self.records,
            "answered": self.answered,
            "failed": self.failed,
            "rejected": self.rejected,
        }

    def to_json(self, now: datetime) -> dict[str, Any]:
        """Return the `counts` of a running batch, with its rate and estimated end."""
        left = None if self.in_jobs else self.seconds_left
        return {
            **self.counts(),
            "answersPerMinute": round(self.per_second * 60, 2),
            "estimatedEndAt": None if left is None else (now + timedelta(seconds=left)).isoformat(),
            "inManagedJobs": self.in_jobs,
            "waitingForQuota": self.waiting.to_json() if self.waiting else None,
        }


def read_progress(
    storage: BatchStorage, plan: Plan, *, since: datetime, now: datetime, run: str | None = None
) -> Progress:
    """Return the progress of a batch.

    Args:
        since: start of the present run.
        run: the execution; if given, its waiting shards are read as well.
    """
    # Imported here, since a worker reads the progress only of a batch with a deadline.
    from lambdas.batch.managed.job_files import records_in_jobs

    waiting = read_waiting_shards(storage, run, now=now) if run else None
    in_jobs = records_in_jobs(storage)
    return progress_of(plan, storage.parts(), since=since, now=now, waiting=waiting, in_jobs=in_jobs)


def progress_of(
    plan: Plan,
    parts: Iterable[ResultPart],
    *,
    since: datetime,
    now: datetime,
    waiting: WaitingShards | None = None,
    in_jobs: int = 0,
) -> Progress:
    """Return the progress of a batch, computed from the listing of its result parts.

    Results of managed batch jobs do not count for the rate, since a job returns all of its results at once.
    """
    start = max(since, now - timedelta(seconds=_RATE_WINDOWS * window_seconds()))
    answered = failed = recent = 0
    for part in parts:
        answered += part.answered
        failed += part.failed
        # S3 returns the time of an object in whole seconds.
        if part.written_at >= start.replace(microsecond=0) and not part.from_job:
            recent += part.answered + part.failed
    seconds = max((now - start).total_seconds(), 1.0)
    return Progress(plan.records, answered, failed, plan.rejected, recent / seconds, waiting, in_jobs)
