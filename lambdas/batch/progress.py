"""How far a batch has come, how fast it goes, and what it waits for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from lambdas.batch.quota_wait import WINDOWS_PER_HOUR
from lambdas.batch.storage import BatchStorage, Part, Plan, WaitingShards
from llmmanager.bedrock.routing.quota_gates import window_seconds

# The rate is that of the last windows: an hour would hide that a quota has changed.
_RATE_WINDOWS = WINDOWS_PER_HOUR // 6


@dataclass(frozen=True)
class Progress:
    """The progress of a batch that is planned and runs.

    Attributes:
        pending: records that have no result yet.
        per_second: results a second in the last ten minutes of the run, or since it began; 0 when none came.
        waiting: the shards that wait for quota, or None.
    """

    records: int
    answered: int
    failed: int
    rejected: int
    per_second: float
    waiting: WaitingShards | None = None

    @property
    def pending(self) -> int:
        """Records that have no result yet."""
        return max(self.records - self.rejected - self.answered - self.failed, 0)

    @property
    def seconds_left(self) -> float | None:
        """Seconds until the batch has ended at its present rate; None when there is no rate."""
        if not self.pending:
            return 0.0
        return self.pending / self.per_second if self.per_second else None

    def counts(self) -> dict[str, Any]:
        """Return what `GET /v1/batches/{id}` reports of a batch that does not run."""
        return {
            "records": self.records,
            "answered": self.answered,
            "failed": self.failed,
            "rejected": self.rejected,
        }

    def to_json(self, now: datetime) -> dict[str, Any]:
        """Return what it reports of a batch that runs."""
        left = self.seconds_left
        return {
            **self.counts(),
            "answersPerMinute": round(self.per_second * 60, 2),
            "estimatedEndAt": None if left is None else (now + timedelta(seconds=left)).isoformat(),
            "waitingForQuota": self.waiting.to_json() if self.waiting else None,
        }


def read_progress(
    storage: BatchStorage, plan: Plan, *, since: datetime, now: datetime, run: str | None = None
) -> Progress:
    """Return the progress of a batch.

    Args:
        since: when its present run began.
        run: the execution that runs it, if its waiting shards are wanted.
    """
    waiting = storage.waiting(run, now) if run else None
    return progress_of(plan, storage.parts(), since=since, now=now, waiting=waiting)


def progress_of(
    plan: Plan,
    parts: Iterable[Part],
    *,
    since: datetime,
    now: datetime,
    waiting: WaitingShards | None = None,
) -> Progress:
    """Return the progress that the listing of a batch's result parts shows."""
    begin = max(since, now - timedelta(seconds=_RATE_WINDOWS * window_seconds()))
    answered = failed = recent = 0
    for part in parts:
        answered += part.answered
        failed += part.failed
        # S3 says when a part was written in whole seconds.
        if part.written_at >= begin.replace(microsecond=0):
            recent += part.answered + part.failed
    seconds = max((now - begin).total_seconds(), 1.0)
    return Progress(plan.records, answered, failed, plan.rejected, recent / seconds, waiting)
