"""The second step of a batch: run the records of one shard, as many as fit into one invocation.

        ┌───────────────────────── done: false ◄─────────────────────────┐
        ▼                                                                │
    read the parts ─► run the records without a result ─► write their results as parts ─► done: true

Only the parts record which records have a result. So a worker that was killed, retried or started twice
continues after the last part, and a written answer is not paid for again.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from lambdas.batch.charged_records import ChargedRecords
from lambdas.batch.deadline_risk import DeadlineRisk
from lambdas.batch.options import Options
from lambdas.batch.parts import PartWriter
from lambdas.batch.pending import PendingRecords
from lambdas.batch.quota_wait import QuotaWait, max_wait_without_answer, next_wait
from lambdas.batch.run_mode import AFTER_JOBS, on_demand_members, rate_since
from lambdas.batch.shard_run import ShardRun
from lambdas.batch.stop_signal import StopSignal
from lambdas.batch.storage import BatchStorage
from lambdas.batch.table_wait import MEMBERS as TABLE_WAIT_MEMBERS
from lambdas.batch.table_wait import table_wait
from lambdas.batch.waiting_shards import put_wait
from lambdas.contract import BatchStep
from lambdas.shared.function_log import logger
from lambdas.shared.manager import RequestTargets
from lambdas.shared.metrics import Tally
from lambdas.shared.settings import batch_settings
from lambdas.shared.shared_cooldowns import cooldowns
from lambdas.usage.budget_table import BudgetsUnavailable
from lambdas.usage.shard_spending import ShardSpending, open_shard_spending
from llmmanager import Deadline
from llmmanager.batch_files.record_retries import RECORD_SECONDS
from llmmanager.batch_files.results import ANSWERED, FAILED

# Time to write the last part and to return.
MARGIN_SECONDS = 10.0
# How long a record waits for what other workers have reserved of a budget, while none returns any.
_BUDGET_PATIENCE_SECONDS = 30.0
_WAIT_MEMBERS = (*QuotaWait.MEMBERS, *TABLE_WAIT_MEMBERS)

_NO_QUOTA = {
    "type": "QuotaExceeded",
    "code": None,
    "message": "the quota was exhausted: no record of the batch was answered for 24 hours",
}


class NoProgress(Exception):
    """An invocation with quota has finished no record, so that another invocation would not either."""


class Context(Protocol):
    """The members of the Lambda context that the worker uses."""

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds until Lambda stops the function."""


@dataclass(frozen=True)
class TimeBudget:
    """The time of an invocation.

    Attributes:
        start_until: no request starts later, so that a slow request can end in time.
        end: requests in progress end by then.
    """

    start_until: Deadline
    end: Deadline

    @classmethod
    def from_context(cls, context: Context) -> TimeBudget:
        """Return the budget of an invocation that starts now."""
        left = context.get_remaining_time_in_millis() / 1000
        end = left - min(MARGIN_SECONDS, left / 5)
        return cls(Deadline.after(end - min(RECORD_SECONDS, end / 2)), Deadline.after(end))


@logger.inject_lambda_context(clear_state=True)
def handler(item: dict[str, Any], context: Context) -> dict[str, Any]:
    """Run a shard.

    Args:
        item: an item of the manifest, or the output of the last invocation.

    Returns:
        The item with the members that `run_shard` returns.

    Raises:
        NoProgress: there was quota, but no record could be finished.
    """
    logger.append_keys(batch_id=item["batchId"], shard=item["shard"])
    cooldowns().refresh()
    outcome = run_shard(item, TimeBudget.from_context(context))
    logger.info("shard run", extra=outcome)
    shard = {name: value for name, value in item.items() if name not in _WAIT_MEMBERS}
    return {**shard, **outcome}


def run_shard(item: dict[str, Any], budget: TimeBudget) -> dict[str, Any]:
    """Run the records of a shard that have no result.

    Returns:
        `done`, `answered` and `failed` of the whole shard. If the quota is exhausted, also `waitSeconds`, the
        time until the next invocation, and `quotaWait`, the input of that invocation. If the table of budgets
        is unavailable, also `waitSeconds` and `tableUnavailableSince`. If the records left the flex tier,
        also `lane` and `onDemandSince`.
    """
    storage = BatchStorage(item["bucket"], item["batchId"])
    options = storage.options()
    try:
        spending = _open_spending(options, budget, batch_id=item["batchId"])
    except BudgetsUnavailable as error:
        return _without_budgets(item, storage, options, error)
    earlier = QuotaWait.from_item(item)
    with (
        spending,
        Tally(entry_point="batch", caller=options.payer()) as tally,
        PartWriter(storage, item["shard"], metadata=spending.usage_so_far) as parts,
        StopSignal(storage, options, run=item["run"], shard=item["shard"]) as stop_signal,
    ):
        stop_signal.waits_for_quota = earlier is not None
        if earlier and not _wait_until(earlier.until, budget, stop_signal):
            return {BatchStep.DONE: False, **earlier.to_members()}
        finished_before = len(parts.statuses)
        run = ShardRun(
            item,
            options,
            start_until=budget.start_until,
            end=budget.end,
            records=_charged_records(item, options, spending, tally),
            parts=parts,
            stop_signal=stop_signal,
            risk=DeadlineRisk(storage, options, since=rate_since(item), after_jobs=AFTER_JOBS in item),
            after_wait=earlier is not None,
        )
        pending = run.run_pending(storage.read(item["key"]))
        finished = len(parts.statuses) > finished_before
        wait = _wait_members(item, storage, options, run, pending, finished=finished)
        if spending.is_closed and not pending.is_done:
            wait = _table_wait({} if finished else item, options)
    lane = on_demand_members(run.left_flex_at)
    if not (pending.is_done or finished or wait or lane):
        raise NoProgress(f"shard {item['shard']}: no record was finished within one invocation")
    statuses = list(parts.statuses.values())
    return {
        BatchStep.DONE: pending.is_done,
        "answered": statuses.count(ANSWERED),
        "failed": statuses.count(FAILED),
        **wait,
        **lane,
    }


def _open_spending(options: Options, budget: TimeBudget, *, batch_id: str) -> ShardSpending:
    return open_shard_spending(
        options.payer(),
        batch_id,
        calls_at_once=options.calls_at_once(batch_settings().worker_concurrency),
        # The wait for other workers must end within this invocation.
        patience=min(_BUDGET_PATIENCE_SECONDS, budget.start_until.remaining() / 2),
    )


def _charged_records(
    item: dict[str, Any], options: Options, spending: ShardSpending, tally: Tally
) -> ChargedRecords:
    targets = RequestTargets(tuple(item["models"]), tuple(item["regions"]))
    return ChargedRecords(options.payer(), targets, batch_id=item["batchId"], spending=spending, tally=tally)


def _wait_members(
    item: dict[str, Any],
    storage: BatchStorage,
    options: Options,
    run: ShardRun,
    pending: PendingRecords,
    *,
    finished: bool,
) -> dict[str, Any]:
    """Return the members of the wait for quota; empty without one.

    Without quota for the maximum time, the pending records leave the flex tier, or fail.
    """
    if not run.shortage or pending.is_done or not (run.is_starved or not finished):
        return {}
    earlier = None if finished else QuotaWait.from_item(item)
    wait = next_wait(earlier, run.shortage, seconds_left=options.seconds_left())
    if options.deadline is None and _has_waited_too_long(wait, storage):
        if run.is_in_flex:
            run.leave_flex()
        else:
            pending.fail_all(_NO_QUOTA)
        return {}
    _record_wait(storage, item, wait)
    return wait.to_members()


def _without_budgets(
    item: dict[str, Any], storage: BatchStorage, options: Options, error: BudgetsUnavailable
) -> dict[str, Any]:
    """Return the output of an invocation that cannot read the budgets of its caller: it waits.

    Raises:
        BudgetsUnavailable: the maximum time has passed.
    """
    with StopSignal(storage, options, run=item["run"], shard=item["shard"]) as stop_signal:
        if stop_signal.is_set():
            return {BatchStep.DONE: True}
    wait = _table_wait(item, options)
    if not wait:
        raise error
    return {BatchStep.DONE: False, **wait}


def _table_wait(item: dict[str, Any], options: Options) -> dict[str, Any]:
    logger.warning("the table of budgets is unavailable: the shard waits")
    return table_wait(item, seconds_left=options.seconds_left())


def _wait_until(end: datetime, budget: TimeBudget, stop_signal: StopSignal) -> bool:
    """Sleep until the given time. Return False if the invocation has too little time for that.

    Step Functions has already waited, except in an execution that an earlier version of the stack started.
    """
    while (left := (end - datetime.now(UTC)).total_seconds()) > 0:
        if budget.start_until.remaining() <= 0:
            return False
        if stop_signal.is_set():
            return True
        time.sleep(min(left, 1.0))
    return True


def _record_wait(storage: BatchStorage, item: dict[str, Any], wait: QuotaWait) -> None:
    """Record the wait for the HTTP API. An error of S3 is only logged."""
    reported = {"shortage": wait.shortage.value, "since": wait.since.isoformat()}
    try:
        put_wait(storage, item["run"], shard=item["shard"], wait=reported, until=wait.until)
    except (BotoCoreError, ClientError) as error:
        logger.warning("cannot record the wait for quota", extra={"error_type": type(error).__name__})


def _has_waited_too_long(wait: QuotaWait, storage: BatchStorage) -> bool:
    """Whether a batch without a deadline has had no answer for the maximum wait."""
    start = datetime.now(UTC) - max_wait_without_answer()
    if wait.since > start:
        return False
    last = storage.last_answer_at()
    return last is None or last <= start
