"""The ledger: reserves money before calls, and records what they used after them.

Reservations and settlements of budgeted callers, and the usage of all callers, are transactions on the usage
table. Each takes effect once. `lambdas.usage.usage_items` describes the items.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from lambdas.shared.outage import KnownOutage, Outage
from lambdas.usage.budget_exceeded import BudgetExceeded
from lambdas.usage.lease import Allowance, Lease
from lambdas.usage.transaction import (
    ConditionFailed,
    TransactionConflict,
    UsageTableUnavailable,
    new_token,
    unavailable,
    write,
)
from lambdas.usage.usage_items import (
    Write,
    add_usage,
    change_period,
    decode_period,
    delete_lease,
    extend_lease,
    period_identity,
    put_counted,
    put_lease,
    stored_cost,
)
from lambdas.usage.usage_rows import UsageRows

# A settlement whose lease was extended by a transaction that seemed to fail is repeated this often.
_SETTLEMENTS: Final = 3
# Shorter than that of reservations: with too many calls, new ones fail, and not the settlements of others,
# whose reservations would stay.
_SETTLEMENT_CONFLICT_DELAY_SECONDS: Final = 0.02
_SPARE_ROWS: Final = 16
InvocationId = tuple[str, str]
"""The id of a batch, and that of an invocation of one of its workers."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """The ledger in the usage table.

    Attributes:
        client: a DynamoDB client of botocore.
        table: name of the usage table.
        seconds: how long a reservation or a settlement is retried.
        count_seconds: how long the usage of a call without a budget is retried. Its answer waits for it.
        outage: whether the table cannot be reached, so that such a call does not wait; None to always try.
    """

    client: Any
    table: str
    seconds: float = 3.0
    count_seconds: float = 0.5
    outage: Outage | None = None

    def reserve(self, lease: Lease) -> None:
        """Reserve the allowance of a new lease in all of its periods.

        Raises:
            BudgetExceeded: a budget does not allow it. Nothing is reserved.
            UsageTableUnavailable: the lease may or may not be stored.
        """
        self._reserve(lease, lease.allowance.cost, put_lease(lease))

    def extend(self, lease: Lease, more: Allowance, *, model: str) -> Lease:
        """Add to the allowance of a stored lease, for a call of this model. Return the lease.

        Raises:
            BudgetExceeded: a budget does not allow it. The lease has not changed.
            UsageTableUnavailable: the lease may or may not have changed. `settle` handles both.
        """
        extended = lease.extended(more, model=model)
        self._reserve(extended, more.cost, extend_lease(lease, more, model=model))
        return extended

    def renew(self, lease: Lease, rows: UsageRows, *, by: Lease, now: datetime) -> None:
        """Replace a reservation by what was used and by a new reservation, in one transaction.

        Args:
            rows: the usage of the calls that have ended.
            by: the new lease, which is also for the calls in progress.
            now: the time from which the rows are kept.

        Raises:
            BudgetExceeded: a budget does not allow it. Nothing has changed.
            UsageTableUnavailable: either the old lease is stored or the new one.
        """
        spent = sum(counts.max_cost for counts in rows.values())
        released = dict.fromkeys(map(period_identity, lease.limits), lease.allowance.cost)
        reserved = dict.fromkeys(map(period_identity, by.limits), by.allowance.cost)
        limits = {period_identity(limit): limit for limit in (*lease.limits, *by.limits)}
        changes, costs = [], []
        for period, limit in limits.items():
            more = reserved.get(period, 0) - released.get(period, 0)
            cost = more + (spent if period in released else 0)
            checked = period in reserved and cost > 0
            changes.append(change_period(limit, committed=cost, reserved=more, checked=checked))
            costs.append(cost)
        renewal = [delete_lease(lease), put_lease(by), *changes, *_usage_writes(rows, now)]
        try:
            self._write(renewal, seconds=self.seconds)
        except ConditionFailed as error:
            if error.items[1]:
                # An earlier try whose response was lost. No other call writes this lease.
                return
            for limit, cost, item in zip(limits.values(), costs, error.items[2:], strict=False):
                if item is not None:
                    raise BudgetExceeded(decode_period(limit, item), needed=cost) from None
            raise UsageTableUnavailable("the lease is not as it is known") from None

    def settle(self, lease: Lease, rows: UsageRows, *, now: datetime) -> bool:
        """Replace a reservation by what was used, in the periods of the reservation.

        A second settlement of the lease has no effect.

        Args:
            rows: the usage of the calls that the lease was for.
            now: the time from which the rows are kept.

        Returns:
            Whether the lease was stored. If not, nothing has changed.

        Raises:
            UsageTableUnavailable: the lease may or may not be settled.
        """
        spent = sum(counts.max_cost for counts in rows.values())
        for _ in range(_SETTLEMENTS):
            reserved = lease.allowance.cost
            changes = [
                change_period(limit, committed=spent - reserved, reserved=-reserved) for limit in lease.limits
            ]
            try:
                self._write(
                    [delete_lease(lease), *changes, *_usage_writes(rows, now)],
                    seconds=self.seconds,
                    conflict_delay=_SETTLEMENT_CONFLICT_DELAY_SECONDS,
                )
                return True
            except ConditionFailed as error:
                stored = error.items[0]
            if not stored:
                return False
            # The lease was extended by a transaction whose outcome was unknown.
            lease = replace(lease, allowance=replace(lease.allowance, cost=stored_cost(stored)))
        raise UsageTableUnavailable("the lease changes while it is settled")

    def count(self, rows: UsageRows, *, now: datetime, once: InvocationId | None = None) -> None:
        """Add to rows of usage. Does nothing without rows.

        Calls that end at the same time write the same rows. If they conflict, this one writes spare rows,
        which readers add to the others.

        Args:
            now: the time from which the rows are kept.
            once: the invocation that the rows are of. A second call with it has no effect.

        Raises:
            UsageTableUnavailable: the rows may or may not be counted.
        """
        if not rows:
            return
        try:
            with self.outage.noted() if self.outage else nullcontext():
                self._count(rows, now, [put_counted(*once, now=now)] if once else [])
        except KnownOutage as error:
            raise unavailable(error) from error
        except ConditionFailed:
            # The invocation is counted.
            return

    def _count(self, rows: UsageRows, now: datetime, mark: list[Write]) -> None:
        seconds = self.count_seconds
        try:
            self._write([*mark, *_usage_writes(rows, now)], seconds=seconds, retry_conflicts=False)
        except TransactionConflict:
            spare = random.randint(1, _SPARE_ROWS)
            self._write([*mark, *_usage_writes(rows, now, spare=spare)], seconds=seconds)

    def _reserve(self, lease: Lease, cost: int, lease_write: Mapping[str, Any]) -> None:
        """Reserve in the periods of a lease.

        Args:
            lease: the lease after this reservation.
            cost: nano-dollars to add.
            lease_write: stores the lease.
        """
        changes = [
            change_period(limit, committed=cost, reserved=cost, checked=True) for limit in lease.limits
        ]
        try:
            self._write([lease_write, *changes], seconds=self.seconds)
        except ConditionFailed as error:
            stored, *periods = error.items
            if stored and stored_cost(stored) == lease.allowance.cost:
                # An earlier try whose response was lost. No other call writes this lease.
                return
            for limit, item in zip(lease.limits, periods, strict=True):
                if item is not None:
                    raise BudgetExceeded(decode_period(limit, item), needed=cost) from None
            raise UsageTableUnavailable("the lease is not as it is known") from None

    def _write(self, writes: Sequence[Mapping[str, Any]], *, seconds: float, **retries: Any) -> None:
        """Write in one transaction.

        Args:
            retries: as in `transaction.write`.
        """
        items = [
            {action: {"TableName": self.table, **parameters} for action, parameters in item.items()}
            for item in writes
        ]
        write(self.client, items, token=new_token(), seconds=seconds, **retries)


def _usage_writes(rows: UsageRows, now: datetime, *, spare: int = 0) -> list[Write]:
    return [add_usage(key, counts, now=now, spare=spare) for key, counts in rows.items()]
