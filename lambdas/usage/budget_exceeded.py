"""The error of a call that a budget does not allow."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from lambdas.shared.time_text import format_time
from lambdas.usage.budget import BudgetScope, Period
from lambdas.usage.money import dollars
from lambdas.usage.period_limit import PeriodSpending
from llmmanager.bedrock.exceptions.llm_manager_exceptions import LLMManagerError

_ADJECTIVES: Final = {Period.DAY: "daily", Period.MONTH: "monthly"}


class BudgetExceeded(LLMManagerError):
    """The next attempt of a call may cost more than is left of a budget. It was not sent.

    Attributes:
        spending: what is spent of the budget in the period.
        scope, name: whose budget it is.
        period: whether the limit is for a day or a month.
        limit: the limit in nano-dollars.
        left: nano-dollars that are neither spent nor reserved.
        reserved: nano-dollars that are reserved, for calls in progress and for lost leases.
        needed: nano-dollars that the call needed in addition.
        resets_at: when the next period begins.
    """

    spending: PeriodSpending
    scope: BudgetScope
    name: str
    period: Period
    limit: int
    left: int
    reserved: int
    needed: int
    resets_at: datetime

    def members(self) -> dict[str, str]:
        """Return whose budget it is, its period and its end, as JSON-ready data."""
        return {
            "scope": self.scope.value,
            "name": self.name,
            "period": self.period.value,
            "resetsAt": format_time(self.resets_at),
        }

    def __init__(self, spending: PeriodSpending, *, needed: int) -> None:
        limit = spending.limit
        self.spending = spending
        self.scope, self.name = limit.scope
        self.period = limit.period
        self.limit = limit.limit
        self.left = spending.left
        self.reserved = spending.reserved
        self.needed = needed
        self.resets_at = limit.resets_at
        super().__init__(
            f"The {_ADJECTIVES[self.period]} budget of {self.scope} {self.name!r} does not allow this call. "
            f"It may cost up to {dollars(needed):.6f} USD, and {dollars(self.left):.6f} of "
            f"{dollars(self.limit):.6f} USD are left. The budget resets at {self.resets_at:%Y-%m-%dT%H:%MZ}."
        )
