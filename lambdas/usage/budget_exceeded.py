"""The error of a call that a budget does not allow."""

from __future__ import annotations

from datetime import datetime

from lambdas.usage.budget import BudgetScope, Period
from lambdas.usage.money import dollars
from lambdas.usage.period_limit import PeriodSpending
from llmmanager.bedrock.exceptions.llm_manager_exceptions import LLMManagerError


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
            f"the {self.period} budget of {self.scope} {self.name!r} does not allow this call: it may cost "
            f"{dollars(needed):.6f} USD more, and of {dollars(self.limit):.6f} USD, "
            f"{dollars(self.left):.6f} are left until {self.resets_at:%Y-%m-%dT%H:%MZ}"
        )
