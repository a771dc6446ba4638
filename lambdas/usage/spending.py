"""What one call may spend, and what it has spent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from functools import cache

from lambdas.contract import Metric
from lambdas.shared import clients
from lambdas.shared.function_log import logger
from lambdas.shared.metrics import put_metrics
from lambdas.shared.outage import usage_table_outage
from lambdas.shared.settings import usage_table
from lambdas.usage.budget import Budget
from lambdas.usage.budget_exceeded import BudgetExceeded
from lambdas.usage.budget_table import budget_table
from lambdas.usage.caller import Caller
from lambdas.usage.lease import Allowance, Lease, allowance_of, new_lease
from lambdas.usage.ledger import Ledger
from lambdas.usage.period_limit import period_limits
from lambdas.usage.transaction import UsageTableUnavailable
from lambdas.usage.usage_rows import (
    Plans,
    UsageRows,
    attempt_counts,
    lost_call_rows,
    unconfirmed,
    usage_rows,
)
from llmmanager import BedrockResponse, RequestValidationError
from llmmanager.bedrock.models.attempt_guard import PlannedAttempt

Now = Callable[[], datetime]


def utc_now() -> datetime:
    """Return the time in UTC."""
    return datetime.now(UTC)


@cache
def ledger() -> Ledger:
    """Return the deployment's ledger."""
    return Ledger(clients.dynamodb_with_short_timeouts(), usage_table(), outage=usage_table_outage())


def patient_ledger() -> Ledger:
    """Return the ledger for a step of a batch, whose end can wait longer than an answer. It always tries."""
    return replace(ledger(), count_seconds=ledger().seconds, outage=None)


def open_spending(caller: Caller) -> CallSpending:
    """Return the spending of a call that begins now. The caller's budgets are read.

    Raises:
        BudgetsUnavailable: the caller has or may have a budget, which cannot be read.
    """
    return CallSpending(caller, ledger=ledger(), budgets=budget_table().find(caller.scopes()))


class CallSpending:
    """The spending of one call: reserved before each attempt, and settled once when the call has ended.

    The call must get `before_attempt`, also if no budget applies to it, because attempts with unknown token
    counts are counted at the upper bounds that it is given. A call is used by one thread at a time.

    Attributes:
        caller: who pays.
        is_budgeted: whether a budget applies to the call.
    """

    def __init__(
        self, caller: Caller, *, ledger: Ledger, budgets: Sequence[Budget], now: Now = utc_now
    ) -> None:
        """Return the spending of a call.

        Args:
            budgets: the budgets that apply to the call.
            now: returns the time in UTC.
        """
        self.caller = caller
        self.is_budgeted = bool(budgets)
        self._budgets = budgets
        self._ledger = ledger
        self._now = now
        self._planned: dict[int, PlannedAttempt] = {}
        self._lease: Lease | None = None
        self._has_ended = False

    def before_attempt(self, planned: PlannedAttempt) -> None:
        """Reserve what an attempt may cost in addition to the attempts before it. An `AttemptGuard`.

        Raises:
            BudgetExceeded: a budget does not allow the attempt.
            UsageTableUnavailable: the table cannot be written. The attempt may be reserved.
            RequestValidationError: a budget applies to the call, and the model has no known price.
        """
        if self.is_budgeted:
            self._reserve(planned)
        self._planned[len(planned.attempts)] = planned

    def settle(self, response: BedrockResponse | None) -> None:
        """Record what the call used, and return the rest of its reservation. Later calls have no effect.

        It never raises. A failure is logged with the rows that are not recorded. What is reserved then
        counts as spent.

        Args:
            response: the response of the call, also of a failed one. None for a call that an unexpected
                error ended; its last planned attempt may have been billed.
        """
        if response is not None:
            self._end(usage_rows(response, self.caller, self._planned))
        else:
            self._end(lost_call_rows(self.caller, self._planned, now=self._now()))

    def release(self) -> None:
        """Return the whole reservation of a call that sent nothing. Later calls have no effect."""
        self._end({})

    def _reserve(self, planned: PlannedAttempt) -> None:
        more = max_allowance(planned, self._planned).without(self._allowed)
        if not more:
            return
        lease, model = self._lease, planned.model_id
        try:
            if lease is not None:
                self._lease = self._ledger.extend(lease, more, model=model)
                return
            now = self._now()
            limits = period_limits(self._budgets, now)
            # Assigned before it is stored, so that it is settled if the outcome of storing it is unknown.
            self._lease = new_lease(limits, self.caller, more, model=model, now=now)
            self._ledger.reserve(self._lease)
        except BudgetExceeded as error:
            self._lease = lease
            from lambdas.usage.thresholds import report_thresholds

            report_thresholds(self._ledger.client, self._ledger.table, [error.spending], is_refused=True)
            raise
        except UsageTableUnavailable:
            if lease is None:
                # Nothing was sent, so the caller does not wait for the table again.
                self._ledger = replace(self._ledger, seconds=0.0)
            raise

    @property
    def _allowed(self) -> Allowance:
        return self._lease.allowance if self._lease is not None else Allowance()

    def _end(self, rows: UsageRows) -> None:
        if self._has_ended:
            return
        self._has_ended = True
        lease, now = self._lease, self._now()
        try:
            if lease is None:
                self._ledger.count(rows, now=now)
                return
            self._ledger.settle(lease, rows, now=now)
        except UsageTableUnavailable as error:
            report_unrecorded(rows, error)
            return
        # Imported here, since few callers have budgets.
        from lambdas.usage.thresholds import report_spending

        report_spending(self._ledger.client, self._ledger.table, lease.limits)


def max_allowance(planned: PlannedAttempt, earlier: Plans) -> Allowance:
    """Return the maximum of what a call uses up to this attempt.

    Args:
        earlier: the plans of its attempts before this one.

    Raises:
        RequestValidationError: the model has no known price.
    """
    if planned.max_cost_usd is None:
        problem = f"models: {planned.model_id} has no known price, and a budget applies to this call"
        raise RequestValidationError(problem, [problem])
    counts = unconfirmed(planned)
    for index, attempt in enumerate(planned.attempts):
        counts += attempt_counts(attempt, earlier.get(index))
    return allowance_of(counts)


def report_unrecorded(rows: UsageRows, error: Exception, *, invocation: str | None = None) -> None:
    """Log the rows of usage that could not be written, and count them in a metric.

    Args:
        invocation: the invocation of a worker that they are of, if its batch tries again to record them.
    """
    if not rows:
        return
    whole = [{**asdict(key), **asdict(counts)} for key, counts in rows.items()]
    logger.error("usage not recorded", extra={"rows": whole, "reason": str(error), "invocation": invocation})
    put_metrics({Metric.USAGE_NOT_RECORDED: len(rows)}, by={})
