"""Budgets: how much a key, a caller or a team may spend per UTC day or month.

Money is an integer of nano-dollars (1e-9 USD), so that sums are exact.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

NANO_PER_USD = 1_000_000_000


class BudgetScope(StrEnum):
    """What a budget is for."""

    KEY = "key"
    """An API key, by its id."""
    CALLER = "caller"
    """A caller of the signed API, by ARN, or the owner of API keys."""
    TEAM = "team"


NamedScope = tuple[BudgetScope, str]
"""A scope and the name of its key, caller or team."""


class Period(StrEnum):
    """How long a limit applies, in UTC. The key of a period has its date, so that nothing has to be reset."""

    DAY = "day"
    MONTH = "month"

    def start(self, time: datetime) -> datetime:
        """Return the start of the period that `time` is in."""
        midnight = time.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        return midnight if self is Period.DAY else midnight.replace(day=1)

    def end(self, time: datetime) -> datetime:
        """Return the start of the period after the one that `time` is in."""
        start = self.start(time)
        if self is Period.DAY:
            return start + timedelta(days=1)
        # No month has more than 31 days.
        return (start + timedelta(days=31)).replace(day=1)

    def key(self, time: datetime) -> str:
        """Return the key of the period that `time` is in, such as "day:2026-12-01" or "month:2026-12"."""
        start = self.start(time).date().isoformat()
        return f"{self.value}:{start if self is Period.DAY else start.removesuffix('-01')}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """The budget of a scope.

    Attributes:
        scope: what the budget is for.
        name: the id of the key, or the name of the caller or team.
        limits: nano-dollars per period. A period without a limit is not in it.
        updated: when the budget was set.
        updated_by: the ARN of the IAM user or role that set it.
    """

    scope: BudgetScope
    name: str
    limits: Mapping[Period, int]
    updated: datetime
    updated_by: str

    @property
    def named_scope(self) -> NamedScope:
        """The scope and its name."""
        return self.scope, self.name
