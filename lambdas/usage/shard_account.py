"""What the records of a shard have spent, and what they may spend, in the periods of one reservation."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from lambdas.usage.budget_refusal import BudgetRefusal
from lambdas.usage.caller import Caller
from lambdas.usage.lease import Allowance, Lease, allowance_of, new_lease
from lambdas.usage.ledger import InvocationId, Ledger
from lambdas.usage.period_limit import PeriodLimit, PeriodSpending
from lambdas.usage.spending import report_unrecorded
from lambdas.usage.transaction import UsageTableUnavailable
from lambdas.usage.usage_counts import UsageCounts, UsageKey
from lambdas.usage.usage_rows import UsageRows, add_rows, sum_rows

_Rows = dict[UsageKey, UsageCounts]


class ShardAccount:
    """A reservation of which the records of a shard draw, and the usage that it is not settled with yet.

    Without a budget, there is no reservation, and the account only counts usage. Not thread-safe.

    Attributes:
        opened: when the account was opened. It is charged to the periods of that time.
        refusal: the last reservation that a budget did not allow, or None.
    """

    def __init__(self, caller: Caller, *, opened: datetime) -> None:
        self.opened = opened
        self.refusal: BudgetRefusal | None = None
        self._caller = caller
        self._lease: Lease | None = None
        self._rows: _Rows = {}
        self._drawn: dict[str, Allowance] = {}
        # A renewal whose outcome is unknown: the new lease, and the usage that the old one is settled with.
        self._uncertain: tuple[Lease, _Rows] | None = None

    @property
    def rows(self) -> UsageRows:
        """The usage that is not recorded yet."""
        return dict(self._rows)

    @property
    def limits(self) -> Sequence[PeriodLimit]:
        """The limits of the reservation; none without one."""
        return self._lease.limits if self._lease else ()

    @property
    def reserved(self) -> int:
        """Nano-dollars that are reserved."""
        return self._lease.allowance.cost if self._lease else 0

    @property
    def free(self) -> Allowance:
        """What is neither spent nor drawn; nothing while the outcome of a renewal is unknown."""
        if self._lease is None or self._uncertain is not None:
            return Allowance()
        spent = sum(self._rows.values(), UsageCounts())
        return self._lease.allowance.without(allowance_of(spent) + self._in_progress)

    def drawn(self, record_id: str) -> Allowance:
        """Return what a record has drawn."""
        return self._drawn.get(record_id, Allowance())

    def holders(self) -> frozenset[str]:
        """Return the ids of the records in progress that have drawn."""
        return frozenset(self._drawn)

    def draw(self, record_id: str, more: Allowance) -> None:
        """Let a record spend this in addition."""
        self._drawn[record_id] = self.drawn(record_id) + more

    def end(self, record_id: str, rows: UsageRows) -> None:
        """Count what a record has used, and return the rest of what it has drawn."""
        self._drawn.pop(record_id, None)
        add_rows(self._rows, rows)

    def renew(
        self, ledger: Ledger, limits: tuple[PeriodLimit, ...], more: Allowance, *, model: str, now: datetime
    ) -> None:
        """Settle what was used, and reserve what records in progress have drawn and this in addition.

        Raises:
            BudgetExceeded: a budget does not allow it. The reservation has not changed.
            UsageTableUnavailable: the reservation may or may not be renewed. `settle` handles both.
        """
        lease = new_lease(limits, self._caller, self._in_progress + more, model=model, now=now)
        cost = lease.allowance.cost - self.reserved + sum(row.max_cost for row in self._rows.values())
        try:
            if self._lease is None:
                ledger.reserve(lease)
            else:
                ledger.renew(self._lease, self._rows, by=lease, now=now)
                self._rows = {}
        except UsageTableUnavailable:
            self._uncertain = lease, self._rows
            self._rows = {}
            raise
        self._lease = lease
        if self.refusal is not None:
            self.refusal.add_reserved(cost)

    def refused(self, spending: PeriodSpending, *, patience: float, now: float) -> BudgetRefusal:
        """Record and return that a budget did not allow a renewal.

        Args:
            patience, now: as in `BudgetRefusal`.
        """
        if self.refusal is None:
            self.refusal = BudgetRefusal(spending, own=self.reserved, patience=patience, now=now)
        else:
            self.refusal.repeat(spending, own=self.reserved, now=now)
        return self.refusal

    def return_free(self, ledger: Ledger, *, now: datetime) -> None:
        """Return what no record in progress has drawn.

        Raises:
            UsageTableUnavailable: it may or may not be returned. `settle` handles both.
        """
        if self._lease is not None:
            self.renew(ledger, self._lease.limits, Allowance(), model=self._lease.model, now=now)

    def settle(self, ledger: Ledger, *, now: datetime, once: InvocationId | None = None) -> None:
        """Record the usage, and return what is left of the reservation. Called once, at the end.

        It never raises. A failure is logged with the rows that are not recorded. What is reserved then counts
        as spent.

        Args:
            once: the invocation, as in `Ledger.count`.
        """
        uncertain, earlier = self._uncertain or (None, {})
        rows = sum_rows(earlier, self._rows)
        try:
            if self._lease is not None and ledger.settle(self._lease, rows, now=now):
                return
            if uncertain is not None and ledger.settle(uncertain, self._rows, now=now):
                return
            if self._lease is None:
                ledger.count(rows, now=now, once=once)
        except UsageTableUnavailable as error:
            report_unrecorded(rows, error, invocation=once[1] if once else None)

    @property
    def _in_progress(self) -> Allowance:
        return sum(self._drawn.values(), Allowance())
