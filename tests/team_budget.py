"""The budget of the team "search" in the usage table of the functions, and what is counted there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import boto3

from lambdas.usage.budget import Budget, BudgetScope, Period
from lambdas.usage.budget_table import budget_table
from lambdas.usage.money import nano_dollars
from lambdas.usage.period_limit import PeriodSpending, period_limits
from lambdas.usage.usage_counts import UsageCounts, UsageKey, utc_day
from lambdas.usage.usage_table import UsageTable
from llmmanager.bedrock.pricing import estimate_cost
from llmmanager.testing import FakeBedrock
from tests.deployed_storage import USAGE_TABLE


def set_budget(limit: int, *, period: Period = Period.DAY) -> None:
    """Set the budget of the team, in nano-dollars."""
    budget_table().put(
        Budget(
            scope=BudgetScope.TEAM,
            name="search",
            limits={period: limit},
            updated=datetime.now(UTC),
            updated_by="admin",
        )
    )


def spending() -> PeriodSpending:
    """Return what is spent of the budget of the team."""
    budgets = budget_table().find([(BudgetScope.TEAM, "search")])
    [found] = usage_table().spending(period_limits(budgets, datetime.now(UTC)))
    return found


def usage_rows() -> dict[UsageKey, UsageCounts]:
    """Return all counts, also if midnight has passed during the test."""
    return dict(usage_table().rows(days_around_now()))


def total_usage() -> UsageCounts:
    """Return the sum of all counts."""
    return sum(usage_rows().values(), UsageCounts())


def days_around_now() -> list[str]:
    """Return the UTC days from yesterday to the day after tomorrow."""
    return [utc_day(datetime.now(UTC) + timedelta(days=number)) for number in range(-1, 3)]


def usage_table() -> UsageTable:
    return UsageTable(boto3.client("dynamodb"), USAGE_TABLE)


def billed_usage(bedrock: FakeBedrock) -> UsageCounts:
    """Return the tokens that FakeBedrock has billed, and their price."""
    total = UsageCounts()
    for row in bedrock.usage():
        price = estimate_cost(
            row.model_id, row.billed.usage, access_method=row.access_method, region=row.region
        )
        total += UsageCounts(
            input_tokens=row.billed.input_tokens,
            output_tokens=row.billed.output_tokens,
            cost=nano_dollars(price or 0),
        )
    return total
