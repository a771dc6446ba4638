"""An open attempt of a job: create it, wait for its end or stop it, import its output, and close it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError

from lambdas.batch.managed.bedrock_jobs import (
    STOPPING,
    JobPostponed,
    JobRejected,
    create_job,
    get_job,
    has_ended,
    stop_job,
)
from lambdas.batch.managed.cut_off import CutOff
from lambdas.batch.managed.import_progress import ImportProgress
from lambdas.batch.managed.job_budget import JobReservation
from lambdas.batch.managed.job_files import (
    CLOSED,
    NOT_CREATED,
    STATUS,
    JobAttempt,
    JobStatus,
    job_id,
)
from lambdas.batch.managed.job_import import JobImport, output_files
from lambdas.batch.managed.job_results import ShardResults
from lambdas.batch.managed.job_target import job_target
from lambdas.batch.managed.lost_answers import is_uncounted, lost_answers
from lambdas.batch.options import Options
from lambdas.shared.function_log import logger
from lambdas.usage.budget_exceeded import BudgetExceeded
from lambdas.usage.spending import report_unrecorded
from lambdas.usage.transaction import UsageTableUnavailable
from lambdas.usage.usage_rows import UsageRows, sum_rows

_MIN_WAIT, _MAX_WAIT = 5, 300
# Polls of a job that takes days: a state machine has a limited number of steps.
_POLLS_PER_AGE: Final = 300
_STOP_WAIT: Final = 10
_TABLE_WAIT: Final = 30
# How long a job that has ended may take to show its output.
_OUTPUT_PATIENCE: Final = timedelta(minutes=10)
_OUTPUT_PATIENCE_WITHOUT_ANSWERS: Final = timedelta(seconds=60)
# How long a job may take to stop, if no deadline is near.
_STOP_PATIENCE: Final = timedelta(minutes=30)
_CREATE_PATIENCE: Final = timedelta(hours=24)


class StopNotAccepted(Exception):
    """Bedrock does not accept the stop of a job whose records must run on demand now, for the deadline."""


class OpenAttempt:
    """An open attempt, in one invocation.

    Args:
        own_token: the token of the intent that this invocation has written, for which no job can exist yet;
            empty if it has written none.
        stop_cause: returns why jobs must not run now, or None. It reads the current state of the batch.
        cut_off: when the job must stop; None without a deadline.
        read_results: reads the results of the shards of the job.
        may_continue: whether this invocation has time for further lines of the output.
        now: returns the time in UTC.
    """

    def __init__(
        self,
        attempt: JobAttempt,
        options: Options,
        *,
        own_token: str,
        stop_cause: Callable[[], str | None],
        cut_off: CutOff | None,
        read_results: Callable[[], Mapping[int, ShardResults]],
        may_continue: Callable[[], bool],
        now: Callable[[], datetime],
    ) -> None:
        self._attempt = attempt
        self._options = options
        self._stop_cause = stop_cause
        self._cut_off = cut_off
        self._read_results = read_results
        self._may_continue = may_continue
        self._now = now
        self._intent = attempt.intent()
        self._is_new = self._intent.token == own_token
        self._reservation = JobReservation.from_json(self._intent.reservation)

    def advance(self) -> int | None:
        """Do what can be done now. Return the seconds until the next step, or None after closing.

        Raises:
            BotoCoreError, ClientError: S3 or Bedrock failed. The next invocation continues.
            StopNotAccepted: there is no time for another invocation.
        """
        arn = self._attempt.arn()
        if arn is None:
            created = self._create()
            if not isinstance(created, str):
                return created
            arn = created
        last = self._attempt.status()
        status = get_job(self._intent.region, arn, last=last, now=self._now())
        if not has_ended(status):
            status = self._stopped(arn, status)
        if status != last:
            self._attempt.write(STATUS, status.to_json())
        if not has_ended(status) and not self._is_overdue(status):
            return self._seconds_to_next_poll(status)
        return self._import(arn, status)

    def _create(self) -> str | int | None:
        """Return the ARN of the job; or else the seconds to wait, or None after closing."""
        cause = self._stop_cause()
        if cause is not None and self._is_new:
            # The end of the execution may have stopped all jobs that it has found. The next invocation, if
            # there is one, closes the attempt.
            return _MIN_WAIT
        try:
            self._reserve(must=cause is None)
            return create_job(self._attempt, self._intent)
        except BudgetExceeded as error:
            return self._close_without_job(error.message)
        except JobRejected as error:
            return self._close_without_job(str(error))
        except JobPostponed as error:
            if cause is not None or self._age() >= _CREATE_PATIENCE:
                return self._close_without_job(str(error))
            logger.info("job postponed", extra={"reason": str(error)})
            return self._polling_interval()
        except UsageTableUnavailable:
            return _TABLE_WAIT

    def _reserve(self, *, must: bool) -> None:
        """Reserve what the job may cost.

        Args:
            must: False if an existing job is only looked for, to stop it.
        """
        try:
            self._reservation.reserve()
        except (BudgetExceeded, UsageTableUnavailable):
            if must:
                raise

    def _close_without_job(self, reason: str) -> int | None:
        return self._close(JobStatus(status=NOT_CREATED), ImportProgress(), arn=None, lost=0, reason=reason)

    def _stopped(self, arn: str, status: JobStatus) -> JobStatus:
        """Request the stop of a job that must not run any longer. Return its status with the request."""
        cause = self._stop_cause()
        if cause is None or status.status == STOPPING:
            return status
        try:
            stop_job(self._intent.region, arn)
        except (BotoCoreError, ClientError) as error:
            if self._cut_off is None or self._now() < self._cut_off.at + self._cut_off.margin:
                raise
            raise StopNotAccepted(str(error)) from error
        logger.info("job stopped", extra={"job_arn": arn, "reason": cause})
        requested = status.stop_requested_at or self._now().isoformat()
        return replace(status, stop_requested_at=requested, stop_cause=status.stop_cause or cause)

    def _is_overdue(self, status: JobStatus) -> bool:
        """Whether a job takes too long to stop: what it has answered is imported without a further wait."""
        return self._has_passed(status.stop_requested_at, self._limited(_STOP_PATIENCE))

    def _seconds_to_next_poll(self, status: JobStatus) -> int:
        return _STOP_WAIT if status.stop_requested_at else self._polling_interval()

    def _polling_interval(self) -> int:
        age = self._age().total_seconds()
        seconds = max(_MIN_WAIT, min(age / 10, max(_MAX_WAIT, age / _POLLS_PER_AGE)))
        if self._cut_off is not None and self._now() < self._cut_off.at:
            seconds = min(seconds, (self._cut_off.at - self._now()).total_seconds())
        return math.ceil(seconds)

    def _import(self, arn: str, status: JobStatus) -> int | None:
        files = output_files(self._attempt)
        if not files and not self._is_without_output(status):
            return self._polling_interval_for_output(status)
        status = replace(status, ended_at=status.ended_at or self._now().isoformat())
        job_import = JobImport(
            self._attempt,
            intent=self._intent,
            arn=arn,
            status=status,
            target=job_target(self._intent.model, self._intent.invoke_id, self._intent.region),
            options=self._options,
            results=self._read_results(),
            may_continue=self._may_continue,
        )
        if not job_import.run(files):
            return 1
        progress, has_output = job_import.progress, bool(files)
        lost = lost_answers(self._attempt, self._intent, status, progress, has_output=has_output)
        return self._close(
            status, progress, arn=arn, lost=lost, reason=_reason(status, has_output=has_output)
        )

    def _is_without_output(self, status: JobStatus) -> bool:
        """Whether a job has ended so long ago that no output is expected any more."""
        may_have_answers = status.processed or is_uncounted(status)
        patience = _OUTPUT_PATIENCE if may_have_answers else _OUTPUT_PATIENCE_WITHOUT_ANSWERS
        return not has_ended(status) or self._has_passed(status.seen_ended_at, self._limited(patience))

    def _polling_interval_for_output(self, status: JobStatus) -> int:
        waited = self._now() - datetime.fromisoformat(status.seen_ended_at)
        return int(max(_MIN_WAIT, min(waited.total_seconds(), 60)))

    def _close(
        self, status: JobStatus, progress: ImportProgress, *, arn: str | None, lost: int, reason: str | None
    ) -> int | None:
        """Settle the reservation and close the attempt. Return the seconds to wait if it is not possible."""
        now = self._now()
        rows = self._usage(progress, lost, now=now)
        try:
            self._reservation.settle(rows, now=now)
        except UsageTableUnavailable as error:
            if self._stop_cause() is None:
                return _TABLE_WAIT
            report_unrecorded(rows, error)
        figures = {
            "status": status.status,
            "reason": reason,
            "id": job_id(arn) if arn else None,
            "records": self._intent.records,
            **progress.figures(),
            "recordsWithoutOutput": lost,
            "seconds": round(self._age().total_seconds()),
            "stopped": bool(status.stop_requested_at),
        }
        self._attempt.close(figures, now=now)
        logger.info("job closed", extra=figures)
        return None

    def _usage(self, progress: ImportProgress, lost: int, *, now: datetime) -> UsageRows:
        """Return the usage of the job; nothing if it is settled."""
        if self._attempt.read(CLOSED) is not None:
            # Another invocation has settled it, and this one has reserved it again.
            return {}
        return sum_rows(
            progress.rows, self._reservation.lost_rows(lost, records=self._intent.records, now=now)
        )

    def _limited(self, patience: timedelta) -> timedelta:
        """Return how long to wait if a deadline is near: at most the time that is reserved for it."""
        return patience if self._cut_off is None else min(patience, self._cut_off.margin)

    def _age(self) -> timedelta:
        return self._now() - datetime.fromisoformat(self._intent.written_at)

    def _has_passed(self, since: str, patience: timedelta) -> bool:
        return bool(since) and self._now() - datetime.fromisoformat(since) >= patience


def _reason(status: JobStatus, *, has_output: bool) -> str | None:
    reasons = (status.stop_cause, status.message, "" if has_output else "the job has no output")
    return "; ".join(reason.rstrip(".") for reason in reasons if reason) or None
