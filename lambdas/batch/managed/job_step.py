"""One step of a managed batch job: the function that Step Functions calls until the job is done.

        ┌───────────────── done: false, waitSeconds ◄──────────────────┐
        ▼                                                              │
    open attempt? ─► advance it ─► closed ─► next attempt, if enough records are pending ─► done: true

Without a job in its event, the function plans the rest: the shards with pending records.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Final, Protocol

from lambdas.batch.job_ranges import JobRange
from lambdas.batch.managed.bedrock_jobs import new_job_name
from lambdas.batch.managed.cut_off import CutOff
from lambdas.batch.managed.job_budget import JobReservation, RecordBounds
from lambdas.batch.managed.job_files import (
    CLOSED,
    JobAttempt,
    JobIntent,
    attempts_of,
    put_complete_shards,
    read_jobs,
)
from lambdas.batch.managed.job_input import JobComposer, TooFewRecords, pending_records
from lambdas.batch.managed.job_results import ShardResults, read_shard_results
from lambdas.batch.managed.job_target import job_target
from lambdas.batch.managed.job_waits import PATIENCE, TABLE_WAIT
from lambdas.batch.managed.open_attempt import OpenAttempt, StopNotAccepted
from lambdas.batch.managed.rest import plan_rest
from lambdas.batch.runs import run_started_at
from lambdas.batch.storage import BatchStorage
from lambdas.contract import BatchStep
from lambdas.shared.function_log import logger
from lambdas.usage.budget_table import BudgetsUnavailable, budget_table
from lambdas.usage.spending import utc_now
from llmmanager import Deadline
from llmmanager.batch_lanes.job_limits import MIN_JOB_RECORDS
from llmmanager.batch_lanes.lane import Lane

# Time to write the results in memory and to return.
_MARGIN_SECONDS: Final = 30.0
# A job that had answers can have failed for a reason that has passed.
MAX_ATTEMPTS: Final = 3
# Bedrock's limits of a job's timeout.
_MIN_HOURS, _MAX_HOURS = 24, 168
_IMPORT_TIME: Final = timedelta(hours=4)


class JobContext(Protocol):
    """The members of the Lambda context that the function uses."""

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds until Lambda stops the function."""


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: JobContext) -> dict[str, Any]:
    """Do one step of a job, or plan the rest.

    Args:
        event: a job item of the plan, or the last output for it; or else the output of the plan.

    Returns:
        The job item with `done` and, if it is not done, `waitSeconds`; or else the input of the map over the
        shards with pending records.
    """
    logger.append_keys(batch_id=event["batchId"])
    if BatchStep.JOB not in event:
        return plan_rest(event)
    logger.append_keys(job=event[BatchStep.JOB])
    left = context.get_remaining_time_in_millis() / 1000
    until = Deadline.after(left - min(_MARGIN_SECONDS, left / 3))
    outcome = JobStep(event, may_continue=lambda: until.remaining() > 0, now=utc_now).run()
    logger.info("job step", extra=outcome)
    job = {name: value for name, value in event.items() if name != BatchStep.WAIT_SECONDS}
    return {**job, **outcome}


class JobStep:
    """One step of a job.

    Args:
        item: the job.
        may_continue: whether this invocation has time for more.
        now: returns the time in UTC.
    """

    def __init__(
        self,
        item: Mapping[str, Any],
        *,
        may_continue: Callable[[], bool],
        now: Callable[[], datetime],
    ) -> None:
        self._item = item
        self._job: int = item["job"]
        self._may_continue = may_continue
        self._now = now
        self._storage = BatchStorage(item["bucket"], item["batchId"])
        self._options = self._storage.options()
        self._own_token = ""

    def run(self) -> dict[str, Any]:
        """Do what can be done now, and return `done` and `waitSeconds`.

        Raises:
            BotoCoreError, ClientError: an AWS service failed. The next invocation continues.
        """
        while True:
            attempts = attempts_of(self._storage, self._job)
            try:
                is_open = bool(attempts) and not attempts[-1].is_closed
                attempt = attempts[-1] if is_open else self._new_attempt(attempts)
            except BudgetsUnavailable:
                return {BatchStep.DONE: False, BatchStep.WAIT_SECONDS: TABLE_WAIT}
            if attempt is None:
                self._record_complete_shards()
                return {BatchStep.DONE: True}
            try:
                seconds = self._opened(attempt).advance()
            except StopNotAccepted as error:
                # The attempt stays open, so that the end of the execution stops the job.
                logger.error("job not stopped", extra={"reason": str(error)})
                return {BatchStep.DONE: True}
            if seconds is not None:
                return {BatchStep.DONE: False, BatchStep.WAIT_SECONDS: seconds}

    def _opened(self, attempt: JobAttempt) -> OpenAttempt:
        return OpenAttempt(
            attempt,
            self._options,
            own_token=self._own_token,
            stop_cause=self._stop_cause,
            cut_off=self._cut_off,
            read_results=self._read_results,
            may_continue=self._may_continue,
            now=self._now,
        )

    def _new_attempt(self, earlier: list[JobAttempt]) -> JobAttempt | None:
        """Write the input and the intent of the next attempt. Return None if no job should be created.

        Raises:
            BudgetsUnavailable: the budgets of the caller cannot be read.
        """
        if self._stop_cause() is not None or not self._is_worth_trying(earlier):
            return None
        attempt = JobAttempt(self._storage, self._job, earlier[-1].number + 1 if earlier else 1)
        token = self._own_token = uuid.uuid4().hex
        caller = self._options.payer()
        composer = JobComposer(
            caller,
            job_target(self._item["model"], self._item["invokeId"], self._item["region"]),
            batch_id=self._storage.batch_id,
            has_budget=bool(budget_table().find(caller.scopes())),
        )
        try:
            bounds = composer.write(attempt, token, results=self._read_results(), min_records=MIN_JOB_RECORDS)
        except TooFewRecords:
            return None
        intent = self._intent(attempt, token, bounds)
        if bounds.unpriced and intent.reservation["limits"]:
            logger.warning("a budget applies, and the price of a job is unknown")
            return None
        # Another invocation may have written one. Its intent is the one that counts.
        attempt.put_intent(intent)
        return attempt

    def _intent(self, attempt: JobAttempt, token: str, bounds: RecordBounds) -> JobIntent:
        now, cut_off = self._now(), self._cut_off
        hours = math.ceil((cut_off.at - now) / timedelta(hours=1)) if cut_off else 0
        hours = min(max(hours, _MIN_HOURS), _MAX_HOURS)
        model = self._item["model"]
        # The job can wait for a quota before it is created, and for its output and the import after its end.
        lasts = timedelta(hours=hours) + 2 * PATIENCE + _IMPORT_TIME
        reservation = JobReservation.plan(self._options.payer(), bounds, model=model, lasts=lasts, now=now)
        return JobIntent(
            token=token,
            name=new_job_name(self._storage.batch_id, attempt, token),
            run=self._item["run"],
            model=model,
            invoke_id=self._item["invokeId"],
            region=self._item["region"],
            records=bounds.records,
            timeout_hours=hours,
            reservation=reservation.to_json(),
            written_at=now.isoformat(),
        )

    def _is_worth_trying(self, earlier: list[JobAttempt]) -> bool:
        """Whether another attempt of this run may have answers before the cut-off."""
        of_run = [attempt for attempt in earlier if attempt.intent().run == self._item["run"]]
        if not of_run:
            return True
        closed = of_run[-1].read(CLOSED) or {}
        if len(of_run) >= MAX_ATTEMPTS or not closed.get("answered") or closed["stopped"]:
            return False
        takes = timedelta(seconds=closed["seconds"])
        return self._cut_off is None or self._now() + takes < self._cut_off.at

    def _stop_cause(self) -> str | None:
        """Return why no job may run now, or None."""
        if self._storage.stop_reason(self._item["run"]) is not None:
            return "the batch was stopped"
        if not self._item["mayCreate"]:
            return "the batch was resumed in another lane"
        if self._cut_off is not None and self._now() >= self._cut_off.at:
            return "the rest of the records runs on demand, to meet the deadline"
        return None

    @cached_property
    def _cut_off(self) -> CutOff | None:
        """When jobs are stopped; None without a deadline."""
        if self._options.deadline is None:
            return None
        deadline = datetime.fromisoformat(self._options.deadline)
        started_at, lanes = run_started_at(self._storage), self._storage.lanes() or {}
        records: int = lanes.get("records", {}).get(Lane.MANAGED.value, self._item["records"])

        def cut_off(left: int) -> CutOff:
            return CutOff.of(deadline, started_at=started_at, records=left, lanes=lanes)

        found = cut_off(records)
        if self._now() < found.at:
            return found
        # Only now, because it reads the files of all jobs.
        answered = sum(job["answered"] for job in read_jobs(self._storage))
        return cut_off(max(records - answered, 0))

    def _read_results(self) -> dict[int, ShardResults]:
        return read_shard_results(self._storage, JobRange.from_members(self._item).shards)

    def _record_complete_shards(self) -> None:
        """Record which shards have a result for each record, so that no worker runs for them."""
        complete = [
            shard
            for shard, results in self._read_results().items()
            if next(pending_records(self._storage, results), None) is None
        ]
        put_complete_shards(self._storage, self._job, complete)
