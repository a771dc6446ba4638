"""The limit of a budget in one day or month, and what of it is spent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from lambdas.usage.budget import Budget, NamedScope, Period


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodLimit:
    """The limit of a budget in one period.

    Attributes:
        scope: the scope of the budget.
        period: whether this is a day or a month.
        period_key: which day or month, such as "day:2026-12-01".
        limit: the limit in nano-dollars.
        resets_at: when the next period begins.
    """

    scope: NamedScope
    period: Period
    period_key: str
    limit: int
    resets_at: datetime

    @property
    def scope_key(self) -> str:
        """The scope as text, such as "team:search"."""
        return f"{self.scope[0].value}:{self.scope[1]}"


def period_limits(budgets: Iterable[Budget], now: datetime) -> tuple[PeriodLimit, ...]:
    """Return the limits of the budgets in the periods that a time is in."""
    return tuple(
        PeriodLimit(
            scope=budget.named_scope,
            period=period,
            period_key=period.key(now),
            limit=limit,
            resets_at=period.end(now),
        )
        for budget in budgets
        for period, limit in budget.limits.items()
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodSpending:
    """What is spent and reserved in a period.

    Attributes:
        limit: the limit of the period.
        committed: nano-dollars that are spent or reserved.
        reserved: nano-dollars that are reserved, for calls in progress and for lost leases.
        reported: for each reported threshold in percent, the limit in nano-dollars at that time.
    """

    limit: PeriodLimit
    committed: int
    reserved: int
    reported: Mapping[int, int] = field(default_factory=dict)

    @property
    def spent(self) -> int:
        """Nano-dollars that settled calls have used."""
        return self.committed - self.reserved

    @property
    def left(self) -> int:
        """Nano-dollars that are neither spent nor reserved."""
        return max(0, self.limit.limit - self.committed)
