"""An open attempt of a job: create it, wait for its end or stop it, import its output, and close it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime

from botocore.exceptions import BotoCoreError, ClientError

from lambdas.batch.managed.attempt_end import AttemptEnd
from lambdas.batch.managed.bedrock_jobs import (
    STOPPING,
    JobPostponed,
    JobRejected,
    create_job,
    ended_unseen,
    get_job,
    has_ended,
    stop_job,
)
from lambdas.batch.managed.cut_off import CutOff
from lambdas.batch.managed.job_budget import JobReservation
from lambdas.batch.managed.job_files import STATUS, JobAttempt, JobStatus
from lambdas.batch.managed.job_import import JobImport
from lambdas.batch.managed.job_results import ShardResults
from lambdas.batch.managed.job_target import job_target
from lambdas.batch.managed.job_waits import STOP_WAIT, TABLE_WAIT, JobWaits
from lambdas.batch.managed.lost_answers import is_uncounted, lost_answers
from lambdas.batch.managed.output_files import output_files, processed_in_manifest
from lambdas.batch.options import Options
from lambdas.contract import MIN_JOB_WAIT
from lambdas.shared.function_log import logger
from lambdas.usage.budget_exceeded import BudgetExceeded
from lambdas.usage.transaction import UsageTableUnavailable


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
        status = self._status(arn, last)
        if not has_ended(status):
            status = self._stopped(arn, status)
        if status != last:
            self._attempt.write(STATUS, status.to_json())
        if not has_ended(status) and not self._waits.is_stop_overdue(status):
            return STOP_WAIT if status.stop_requested_at else self._waits.next_poll()
        return self._import(arn, status)

    @property
    def _waits(self) -> JobWaits:
        written_at = datetime.fromisoformat(self._intent.written_at)
        return JobWaits(self._now(), written_at, self._intent.timeout_hours, self._cut_off)

    def _create(self) -> str | int | None:
        """Return the ARN of the job; or else the seconds to wait, or None after closing."""
        cause = self._stop_cause()
        if cause is not None and self._is_new:
            # The end of the execution may have stopped all jobs that it has found. The next invocation, if
            # there is one, closes the attempt.
            return MIN_JOB_WAIT
        try:
            self._reserve(must=cause is None)
            return create_job(self._attempt, self._intent)
        except BudgetExceeded as error:
            return self._close(AttemptEnd.without_job(error.message))
        except JobRejected as error:
            return self._close(AttemptEnd.without_job(str(error)))
        except JobPostponed as error:
            if cause is not None or self._waits.is_creation_overdue():
                return self._close(AttemptEnd.without_job(str(error)))
            logger.info("job postponed", extra={"reason": str(error)})
            return self._waits.next_poll()
        except UsageTableUnavailable:
            return TABLE_WAIT

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

    def _status(self, arn: str, last: JobStatus) -> JobStatus:
        """Return the status of the job. If it cannot be read, the output shows whether the job has ended.

        Raises:
            BotoCoreError, ClientError: it cannot be read, although the job must have ended long ago.
        """
        try:
            return get_job(self._intent.region, arn, last=last, now=self._now())
        except (BotoCoreError, ClientError) as error:
            if has_ended(last):
                return last
            if processed_in_manifest(self._attempt) is not None:
                return ended_unseen(last, now=self._now())
            if not self._waits.may_be_running():
                raise
            logger.warning("the status of a job cannot be read", extra={"job_arn": arn, "reason": str(error)})
            return last

    def _stopped(self, arn: str, status: JobStatus) -> JobStatus:
        """Request the stop of a job that must not run any longer. Return its status with the request."""
        cause = self._stop_cause()
        if cause is None or status.stop_requested_at or status.status == STOPPING:
            return status
        try:
            stop_job(self._intent.region, arn)
        except (BotoCoreError, ClientError) as error:
            if self._waits.is_stop_possible_later():
                raise
            raise StopNotAccepted(str(error)) from error
        logger.info("job stopped", extra={"job_arn": arn, "reason": cause})
        return replace(status, stop_requested_at=self._now().isoformat(), stop_cause=cause)

    def _import(self, arn: str, status: JobStatus) -> int | None:
        files = output_files(self._attempt)
        if not files and has_ended(status) and not self._is_output_overdue(status):
            return self._waits.next_look_for_output(status)
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
        return self._close(AttemptEnd.of_job(status, progress, arn=arn, lost=lost, has_output=has_output))

    def _is_output_overdue(self, status: JobStatus) -> bool:
        return self._waits.is_output_overdue(
            status,
            may_have_answers=status.processed > 0 or is_uncounted(status),
            may_run=self._stop_cause() is None,
        )

    def _close(self, end: AttemptEnd) -> int | None:
        """Close the attempt. Return the seconds to wait if the table of budgets is unavailable."""
        closed = end.close(
            self._attempt,
            self._intent,
            self._reservation,
            now=self._now(),
            may_wait=lambda: self._stop_cause() is None,
        )
        return None if closed else TABLE_WAIT
