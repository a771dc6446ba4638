"""The end of an attempt of a job: its cost is settled, and `closed.json` is written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from lambdas.batch.managed.import_progress import ImportProgress
from lambdas.batch.managed.job_budget import JobReservation
from lambdas.batch.managed.job_files import CLOSED, NOT_CREATED, JobAttempt, JobIntent, JobStatus, job_id
from lambdas.shared.function_log import logger
from lambdas.usage.spending import report_unrecorded
from lambdas.usage.transaction import UsageTableUnavailable
from lambdas.usage.usage_rows import UsageRows, sum_rows


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptEnd:
    """How an attempt ended.

    Attributes:
        status: the last status of the job.
        progress: what was imported.
        arn: the ARN of the job; None if it was not created.
        lost: number of records that may be billed and have no answer in the output.
        reason: why the job did not answer all of its records; None without a known reason.
    """

    status: JobStatus
    progress: ImportProgress
    arn: str | None
    lost: int
    reason: str | None

    @classmethod
    def without_job(cls, reason: str) -> AttemptEnd:
        """Return the end of an attempt whose job was not created."""
        status = JobStatus(status=NOT_CREATED)
        return cls(status=status, progress=ImportProgress(), arn=None, lost=0, reason=reason)

    @classmethod
    def of_job(
        cls, status: JobStatus, progress: ImportProgress, *, arn: str, lost: int, has_output: bool
    ) -> AttemptEnd:
        """Return the end of a job whose output was imported."""
        reasons = (status.stop_cause, status.message, "" if has_output else "the job has no output")
        reason = "; ".join(reason.rstrip(".") for reason in reasons if reason) or None
        return cls(status=status, progress=progress, arn=arn, lost=lost, reason=reason)

    def close(
        self,
        attempt: JobAttempt,
        intent: JobIntent,
        reservation: JobReservation,
        *,
        now: datetime,
        may_wait: Callable[[], bool],
    ) -> bool:
        """Settle the reservation and close the attempt. Return False if the usage table is unavailable.

        Args:
            may_wait: whether to wait for the table. If not, the usage is only logged.
        """
        rows = self._usage(attempt, reservation, records=intent.records, now=now)
        try:
            reservation.settle(rows, now=now)
        except UsageTableUnavailable as error:
            if may_wait():
                return False
            report_unrecorded(rows, error)
        age = now - datetime.fromisoformat(intent.written_at)
        figures = {
            "status": self.status.status,
            "reason": self.reason,
            "id": job_id(self.arn) if self.arn else None,
            "records": intent.records,
            **self.progress.figures(),
            "recordsWithoutOutput": self.lost,
            "seconds": round(age.total_seconds()),
            "stopped": bool(self.status.stop_requested_at),
        }
        attempt.close(figures, now=now)
        logger.info("job closed", extra=figures)
        return True

    def _usage(
        self, attempt: JobAttempt, reservation: JobReservation, *, records: int, now: datetime
    ) -> UsageRows:
        """Return the usage of the job; nothing if it is settled."""
        if attempt.read(CLOSED) is not None:
            # Another invocation has settled it, and this one has reserved it again.
            return {}
        return sum_rows(self.progress.rows, reservation.lost_rows(self.lost, records=records, now=now))
