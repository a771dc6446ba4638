"""The middle step of a batch: the records of one shard answered, as many as there is time for.

        ┌────────────────────────── done: false ◄──────────────────────────┐
        ▼                                                                  │
    read the parts ─► run what is in none of them ─► write parts as answers come ─► done: true

What is done stands in the parts and nowhere else. So a worker that was killed, is retried, or was started
twice goes on where the parts end, and no answer that was written is paid for again.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from lambdas.batch.deadline_risk import DeadlineRisk
from lambdas.batch.early_end import EarlyEnd
from lambdas.batch.parts import PartWriter
from lambdas.batch.pending import PendingRecords
from lambdas.batch.quota_wait import QuotaWait, next_wait, patience
from lambdas.batch.results import ANSWERED, FAILED
from lambdas.batch.shard_run import ShardRun
from lambdas.batch.storage import BatchStorage
from lambdas.shared.manager import REQUEST_SECONDS
from lambdas.shared.metrics import Tally
from lambdas.shared.observability import logger
from lambdas.shared.shared_cooldowns import cooldowns
from llmmanager import Deadline

# What it takes to write the last part and return.
MARGIN_SECONDS = 10.0


class NoProgress(Exception):
    """Records are left, there is quota, and an invocation has finished none: another would not either."""


class Context(Protocol):
    """What is used of the context that Lambda hands to a function."""

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the function is stopped."""


@dataclass(frozen=True)
class Budget:
    """How an invocation's time is shared out.

    Attributes:
        start_until: requests start until then, so that one that takes its full time can still end;
        end: by then those under way have ended.
    """

    start_until: Deadline
    end: Deadline

    @classmethod
    def of(cls, context: Context) -> Budget:
        """The budget of an invocation that starts now."""
        left = context.get_remaining_time_in_millis() / 1000
        end = left - min(MARGIN_SECONDS, left / 5)
        return cls(Deadline.after(end - min(REQUEST_SECONDS, end / 2)), Deadline.after(end))


@logger.inject_lambda_context(clear_state=True)
def handler(item: dict[str, Any], context: Context) -> dict[str, Any]:
    """A shard as the manifest has it; the same with what `run_shard` returns.

    Raises:
        NoProgress: not one record could be finished in this invocation, although there was quota.
    """
    logger.append_keys(batch_id=item["batchId"], shard=item["shard"])
    cooldowns().learn()
    outcome = run_shard(item, Budget.of(context))
    logger.info("shard run", extra=outcome)
    kept = {name: value for name, value in item.items() if name not in QuotaWait.MEMBERS}
    return {**kept, **outcome}


def run_shard(item: dict[str, Any], budget: Budget) -> dict[str, Any]:
    """Run what is left of a shard.

    Returns:
        `done`, `answered` and `failed` of the shard as a whole. With `waitSeconds` no quota admits the rest
        for now: the shard is to be continued after as many seconds. `quotaWait` is what the next invocation
        needs to know of the wait.
    """
    storage = BatchStorage(item["bucket"], item["batchId"])
    options = storage.options()
    earlier = QuotaWait.read(item)
    with (
        Tally(entry_point="batch") as tally,
        PartWriter(storage, item["shard"]) as parts,
        EarlyEnd(storage, options, run=item["run"], shard=item["shard"]) as early_end,
    ):
        early_end.waits_for_quota = earlier is not None
        if earlier and not _wait_until(earlier.until, budget, early_end):
            return {"done": False, **earlier.to_members()}
        finished_before = len(parts.statuses)
        run = ShardRun(
            item,
            options,
            start_until=budget.start_until,
            end=budget.end,
            tally=tally,
            parts=parts,
            early_end=early_end,
            risk=DeadlineRisk(storage, options),
            after_wait=earlier is not None,
        )
        pending = run.answer(storage.read(item["key"]))
        finished = len(parts.statuses) > finished_before
        wait = None
        if run.shortage and not pending.over and (run.is_starved or not finished):
            wait = next_wait(None if finished else earlier, run.shortage, seconds_left=options.seconds_left())
            if options.deadline is None and _is_given_up(wait, storage):
                wait = None
                _give_up(pending)
            else:
                _note_wait(storage, item, wait)
    if not (pending.over or finished or wait):
        raise NoProgress(f"shard {item['shard']}: no record could be finished in the time of one invocation")
    statuses = list(parts.statuses.values())
    return {
        "done": pending.over,
        "answered": statuses.count(ANSWERED),
        "failed": statuses.count(FAILED),
        **(wait.to_members() if wait else {}),
    }


def _wait_until(moment: datetime, budget: Budget, early_end: EarlyEnd) -> bool:
    """Return at the moment; False when there is no time for that in this invocation.

    Step Functions waits, and there is nothing to wait for any more. An execution that an earlier version of
    the stack has started does not know of waits.
    """
    while (left := (moment - datetime.now(UTC)).total_seconds()) > 0:
        if budget.start_until.remaining() <= 0:
            return False
        if early_end.due():
            return True
        time.sleep(min(left, 1.0))
    return True


def _note_wait(storage: BatchStorage, item: dict[str, Any], wait: QuotaWait) -> None:
    """Let the API report the wait. S3 failing here costs the report and nothing else."""
    note = {"shortage": wait.shortage.value, "since": wait.since.isoformat()}
    try:
        storage.put_waiting(item["run"], item["shard"], note, wait.until)
    except (BotoCoreError, ClientError) as error:
        logger.warning("the wait for quota is not noted", extra={"error_type": type(error).__name__})


def _is_given_up(wait: QuotaWait, storage: BatchStorage) -> bool:
    """Whether no record of the batch was answered for as long as a batch without a deadline waits."""
    start = datetime.now(UTC) - patience()
    if wait.since > start:
        return False
    last = storage.last_answer_at()
    return last is None or last <= start


def _give_up(pending: PendingRecords) -> None:
    pending.fail_all(
        {
            "type": "QuotaExceeded",
            "code": None,
            "message": "no quota admitted the record: for 24 hours no record of the batch was answered",
        }
    )
