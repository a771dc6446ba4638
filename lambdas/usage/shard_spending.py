"""What the records of a shard may spend, and what they have spent, in one invocation of a worker.

Money is reserved in chunks for many records, because a transaction for each record would be slow and dear:

    record starts ─► draws its maximum cost ─► ends: what it used is spent, the rest goes back
                        │ the chunk is used up
                        └─► renew: settle what is spent, reserve what is drawn and the next chunk

What is lost with a killed worker is its reservation, which is at most a chunk above what was spent. Without a
budget, the result files of the worker have its usage until then (`lambdas.usage.invocation_usage`).
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from types import TracebackType
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError

from lambdas.usage.budget import Budget
from lambdas.usage.budget_exceeded import BudgetExceeded
from lambdas.usage.budget_refusal import BudgetRefusal
from lambdas.usage.budget_table import BudgetsUnavailable, budget_table
from lambdas.usage.caller import Caller
from lambdas.usage.invocation_usage import usage_metadata
from lambdas.usage.lease import Allowance
from lambdas.usage.ledger import InvocationId, Ledger
from lambdas.usage.period_limit import PeriodLimit, PeriodSpending, period_limits
from lambdas.usage.shard_account import ShardAccount
from lambdas.usage.spending import Now, max_allowance, patient_ledger, utc_now
from lambdas.usage.thresholds import report_spending, report_thresholds
from lambdas.usage.transaction import UsageTableUnavailable, unavailable
from lambdas.usage.usage_counts import utc_day
from lambdas.usage.usage_rows import lost_call_rows, usage_rows
from lambdas.usage.usage_table import UsageTable
from llmmanager import BedrockResponse
from llmmanager.bedrock.exceptions.llm_manager_exceptions import LLMManagerError
from llmmanager.bedrock.models.attempt_guard import AttemptGuard, PlannedAttempt

# A chunk is for this many records per parallel call, and for at most this part of what is left of a budget,
# so that other workers find something, too.
_RECORDS_PER_CALL: Final = 2
_PART_OF_BUDGET: Final = 4
# How often a record checks whether the run was stopped, or other workers have returned something.
_CHECK_SECONDS: Final = 1.0
_LEAST_WAIT_SECONDS: Final = 0.05


class NotReserved(LLMManagerError):
    """The run was stopped while a record waited for a part of the budget. Its attempt was not sent."""


def open_shard_spending(
    caller: Caller, batch_id: str, *, calls_at_once: int, patience: float
) -> ShardSpending:
    """Return the spending of an invocation that begins now. The caller's budgets are read.

    Args:
        batch_id: the batch that the shard is a part of.
        calls_at_once: number of parallel calls of the worker.
        patience: seconds that a record waits for what other workers have reserved, while none returns any.

    Raises:
        BudgetsUnavailable: the caller has or may have a budget, which cannot be read.
    """
    return ShardSpending(
        caller,
        ledger=patient_ledger(),
        find_budgets=lambda: budget_table().find(caller.scopes()),
        batch_id=batch_id,
        calls_at_once=calls_at_once,
        patience=patience,
    )


class ShardSpending:
    """The spending of the records of a shard. A context manager, which settles it at the end. Thread-safe.

    A record of a budgeted caller waits while other records in progress, or other workers, may return enough
    for it. If none can, it is not sent, and neither are later ones that would need more than is left.

    Attributes:
        is_budgeted: whether a budget applied to the caller at the start.
        is_closed: whether the table could not be reached for a reservation. No further record is sent then.
    """

    def __init__(
        self,
        caller: Caller,
        *,
        ledger: Ledger,
        find_budgets: Callable[[], Sequence[Budget]],
        batch_id: str,
        calls_at_once: int,
        patience: float,
        now: Now = utc_now,
    ) -> None:
        """Return the spending of an invocation that begins now.

        Args:
            find_budgets: returns the budgets of the caller. It is called before each reservation, so that
                changes take effect.
            batch_id: the batch that the shard is a part of.
            calls_at_once, patience: as in `open_shard_spending`.
            now: returns the time in UTC.
        """
        self.is_budgeted = bool(find_budgets())
        self.is_closed = False
        self._caller = caller
        self._ledger = ledger
        self._find_budgets = find_budgets
        self._invocation: InvocationId = batch_id, uuid.uuid4().hex
        self._calls_at_once = calls_at_once
        self._patience = patience
        self._now = now
        self._changed = threading.Condition()
        self._accounts = [ShardAccount(caller, opened=now())]
        self._account_of: dict[str, ShardAccount] = {}
        self._planned: dict[str, dict[int, PlannedAttempt]] = {}
        self._waiting: set[str] = set()

    def __enter__(self) -> ShardSpending:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.settle()

    def guard(self, stop: threading.Event) -> AttemptGuard:
        """Return the `before_attempt` of a run, whose records do not wait after `stop` is set."""
        return partial(self.before_attempt, stop=stop)

    def before_attempt(self, planned: PlannedAttempt, /, *, stop: threading.Event) -> None:
        """Draw what an attempt may cost in addition to the attempts of its record before it.

        Raises:
            BudgetExceeded: a budget does not allow the attempt.
            UsageTableUnavailable: the table cannot be read or written.
            NotReserved: the run was stopped first.
            RequestValidationError: a budget applies to the caller, and the model has no known price.
        """
        record_id = str(planned.request_id)
        with self._changed:
            plans = self._planned.setdefault(record_id, {})
            account = self._account_of.setdefault(record_id, self._current_account())
            if self.is_budgeted:
                needed = max_allowance(planned, plans)
                self._draw(account, planned, needed.without(account.drawn(record_id)), stop)
            plans[len(planned.attempts)] = planned

    def end(self, record_id: str, response: BedrockResponse, *, runs_again: bool = False) -> None:
        """Count what a record has used, and return the rest of what it has drawn.

        Args:
            response: its response, also if it failed.
            runs_again: whether the record is sent again later, so that it does not count as a request yet.
        """
        with self._changed:
            plans = self._planned.pop(record_id, {})
            account = self._account_of.pop(record_id, self._accounts[-1])
            account.end(record_id, usage_rows(response, self._caller, plans, has_ended=not runs_again))
            self._changed.notify_all()

    def usage_so_far(self) -> Mapping[str, str]:
        """Return the usage of this invocation for the metadata of a result file.

        It is empty for a budgeted caller, whose reservations and renewals record it.
        """
        if self.is_budgeted:
            return {}
        with self._changed:
            return usage_metadata(self._caller, self._invocation[1], self._accounts[-1].rows)

    def settle(self) -> None:
        """Record the usage, and return what is left of the reservations. Called once, at the end.

        A record without an end was ended by an unexpected error, and its last attempt may have been billed.
        """
        with self._changed:
            now = self._now()
            for record_id, plans in self._planned.items():
                self._account_of[record_id].end(record_id, lost_call_rows(self._caller, plans, now=now))
            self._planned.clear()
            limits = [limit for account in self._accounts for limit in account.limits]
            for account in self._accounts:
                account.settle(self._ledger, now=now, once=None if self.is_budgeted else self._invocation)
        if limits:
            report_spending(self._ledger.client, self._ledger.table, limits)

    def _current_account(self) -> ShardAccount:
        """Return the account of the periods that the time is in. Calls in progress keep theirs."""
        now = self._now()
        if self.is_budgeted and utc_day(now) != utc_day(self._accounts[-1].opened):
            self._accounts.append(ShardAccount(self._caller, opened=now))
        return self._accounts[-1]

    def _draw(
        self, account: ShardAccount, planned: PlannedAttempt, more: Allowance, stop: threading.Event
    ) -> None:
        """Draw this from the account, after a renewal or a wait if it has less."""
        record_id = str(planned.request_id)
        while more.without(account.free):
            self._check_running(stop)
            missing = more.cost - account.free.cost
            refusal = account.refusal
            if refusal is None or refusal.may_try(missing, time.monotonic()):
                refusal = self._renew(account, more, model=planned.model_id)
                if refusal is None:
                    continue
            if not account.holders() - self._waiting - {record_id}:
                if not refusal.may_wait(missing, time.monotonic()):
                    raise self._refused(refusal, more)
                if account.free.cost:
                    # Workers that wait for each other would wait for nothing.
                    with self._closed_if_unavailable():
                        account.return_free(self._ledger, now=self._now())
                    continue
            self._wait(record_id, refusal)
        account.draw(record_id, more)

    def _check_running(self, stop: threading.Event) -> None:
        if self.is_closed:
            raise UsageTableUnavailable("the usage table was unavailable before this record was sent")
        if stop.is_set():
            raise NotReserved("the worker was stopped before this record was sent")

    def _renew(self, account: ShardAccount, more: Allowance, *, model: str) -> BudgetRefusal | None:
        """Renew the reservation with a chunk of which this can be drawn. Return None if budgets allow it."""
        with self._closed_if_unavailable():
            limits = period_limits(self._find_budgets(), account.opened)
            # What one record needs, if a chunk is too much.
            for records in sorted({self._records_per_chunk(limits, more), 1}, reverse=True):
                try:
                    account.renew(self._ledger, limits, more * records, model=model, now=self._now())
                    return None
                except BudgetExceeded as error:
                    spending = error.spending
        return account.refused(spending, patience=self._patience, now=time.monotonic())

    @contextmanager
    def _closed_if_unavailable(self) -> Iterator[None]:
        try:
            yield
        except (BudgetsUnavailable, UsageTableUnavailable) as error:
            self.is_closed = True
            self._changed.notify_all()
            # A new one, because the library adds the response of the call.
            raise UsageTableUnavailable(str(error)) from error

    def _records_per_chunk(self, limits: Sequence[PeriodLimit], more: Allowance) -> int:
        most = _RECORDS_PER_CALL * self._calls_at_once
        left = min((spending.left for spending in self._spending(limits)), default=most * more.cost)
        return max(1, min(most, left // _PART_OF_BUDGET // max(1, more.cost)))

    def _spending(self, limits: Sequence[PeriodLimit]) -> Sequence[PeriodSpending]:
        """Return what is spent in periods, and report the thresholds that are reached."""
        try:
            spending = UsageTable(self._ledger.client, self._ledger.table).spending(limits)
        except (BotoCoreError, ClientError) as error:
            raise unavailable(error) from error
        report_thresholds(self._ledger.client, self._ledger.table, spending)
        return spending

    def _wait(self, record_id: str, refusal: BudgetRefusal) -> None:
        """Wait until a record ends, or it is time for another try."""
        seconds = min(refusal.seconds_to_next_try(time.monotonic()), _CHECK_SECONDS)
        self._waiting.add(record_id)
        self._changed.wait(max(seconds, _LEAST_WAIT_SECONDS))
        self._waiting.remove(record_id)

    def _refused(self, refusal: BudgetRefusal, more: Allowance) -> BudgetExceeded:
        """Return the error of a record that is not sent. Later ones do not wait for other workers."""
        if not refusal.is_final:
            refusal.is_final = True
            self._changed.notify_all()
            report_thresholds(self._ledger.client, self._ledger.table, [refusal.spending], is_refused=True)
        return BudgetExceeded(refusal.spending, needed=more.cost)
