"""Budgets as both APIs return them, with what is left in the current periods."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from lambdas.shared.time_text import format_time
from lambdas.usage.budget import Budget, Period
from lambdas.usage.budget_request import LIMITS
from lambdas.usage.money import dollars
from lambdas.usage.period_limit import PeriodSpending, period_limits
from lambdas.usage.usage_table import UsageTable


def report_budgets(budgets: Iterable[Budget], table: UsageTable, *, now: datetime) -> list[dict[str, Any]]:
    """Return the budgets with the state of their limits in the periods that a time is in.

    Raises:
        BotoCoreError, ClientError: the table cannot be read.
    """
    reported = tuple(budgets)
    states = {
        (state.limit.scope, state.limit.period): _encode_state(state)
        for state in table.spending(period_limits(reported, now))
    }
    return [
        {
            "scope": budget.scope.value,
            "name": budget.name,
            **{name: _usd(budget, period) for name, period in LIMITS.items()},
            **{period.value: states.get((budget.named_scope, period)) for period in Period},
        }
        for budget in reported
    ]


def _usd(budget: Budget, period: Period) -> float | None:
    limit = budget.limits.get(period)
    return None if limit is None else dollars(limit)


def _encode_state(state: PeriodSpending) -> dict[str, Any]:
    return {
        "limit": dollars(state.limit.limit),
        "spent": dollars(state.spent),
        "reserved": dollars(state.reserved),
        "left": dollars(state.left),
        "resetsAt": format_time(state.limit.resets_at),
    }
