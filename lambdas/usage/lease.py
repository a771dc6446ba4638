"""Reservations: money set aside before a call, in the periods of the budgets that apply to it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from lambdas.usage.caller import Caller
from lambdas.usage.period_limit import PeriodLimit
from lambdas.usage.usage_counts import UsageCounts, utc_day

# Longer than any function runs (900 s) and than a settlement is retried.
_LOST_AFTER: Final = timedelta(seconds=960)


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """What a reservation allows.

    Attributes:
        cost: nano-dollars.
        input_tokens, output_tokens: tokens, for the report of a lost lease.
    """

    cost: int = 0
    input_tokens: int = 0
    output_tokens: int = 0

    def __add__(self, other: Allowance) -> Allowance:
        return Allowance(
            cost=self.cost + other.cost,
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
        )

    def __bool__(self) -> bool:
        return bool(self.cost or self.input_tokens or self.output_tokens)

    def __mul__(self, factor: int) -> Allowance:
        return Allowance(
            cost=self.cost * factor,
            input_tokens=self.input_tokens * factor,
            output_tokens=self.output_tokens * factor,
        )

    def without(self, other: Allowance) -> Allowance:
        """Return what this allows in addition to the other."""
        return Allowance(
            cost=max(0, self.cost - other.cost),
            input_tokens=max(0, self.input_tokens - other.input_tokens),
            output_tokens=max(0, self.output_tokens - other.output_tokens),
        )


def allowance_of(counts: UsageCounts) -> Allowance:
    """Return what has to be reserved for calls that use this at most."""
    return Allowance(
        cost=counts.max_cost, input_tokens=counts.max_input_tokens, output_tokens=counts.max_output_tokens
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredLease:
    """What the table has of a reservation. If it is not settled in time, its calls may have been billed.

    Attributes:
        id: unique among all leases.
        day: the UTC day of the reservation.
        caller: who reserved it.
        model: the id of the model that was called last.
        allowance: what is reserved.
        lost_at: from when on the lease is lost.
    """

    id: str
    day: str
    caller: Caller
    model: str
    allowance: Allowance
    lost_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease(StoredLease):
    """A reservation. A lease that is not settled counts as spent, and is reported as lost.

    Attributes:
        limits: the budgets and periods that it is charged to, also after the end of a period.
    """

    limits: tuple[PeriodLimit, ...]

    def extended(self, more: Allowance, *, model: str) -> Lease:
        """Return the lease with a larger allowance, for a call of this model."""
        return replace(self, allowance=self.allowance + more, model=model)


def new_lease(
    limits: tuple[PeriodLimit, ...], caller: Caller, allowance: Allowance, *, model: str, now: datetime
) -> Lease:
    """Return a lease that begins now. It is not stored yet."""
    return Lease(
        id=uuid.uuid4().hex,
        day=utc_day(now),
        limits=limits,
        caller=caller,
        model=model,
        allowance=allowance,
        lost_at=now + _LOST_AFTER,
    )
