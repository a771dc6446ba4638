"""The ledger on a DynamoDB of its own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from lambdas.usage.budget import Budget, BudgetScope, Period
from lambdas.usage.caller import Caller
from lambdas.usage.lease import StoredLease
from lambdas.usage.ledger import Ledger
from lambdas.usage.period_limit import PeriodSpending, period_limits
from lambdas.usage.spending import CallSpending
from lambdas.usage.usage_counts import UsageCounts, UsageKey
from lambdas.usage.usage_table import UsageTable
from llmmanager import PlannedAttempt, RequestAttempt
from tests.dynamodb_server import DynamoDBServer

TABLE = "usage"
TODAY = datetime(2026, 12, 1, 12, tzinfo=UTC)
ADA = Caller("arn:aws:iam::123456789012:user/ada", "search")


@dataclass
class ManualTime:
    """The time as the ledger reads it."""

    now: datetime = TODAY

    def __call__(self) -> datetime:
        return self.now


@dataclass(frozen=True)
class Accounts:
    """The ledger, and calls that it accounts for.

    Attributes:
        server: where the table is.
        ledger: the ledger. A test of retries changes how long it retries.
        time: the time of all calls.
    """

    server: DynamoDBServer
    ledger: Ledger
    time: ManualTime

    @property
    def table(self) -> UsageTable:
        return UsageTable(self.ledger.client, TABLE)

    def call(self, *budgets: Budget, caller: Caller = ADA, ledger: Ledger | None = None) -> CallSpending:
        """Return the spending of a call that these budgets apply to."""
        return CallSpending(caller, ledger=ledger or self.ledger, budgets=budgets, now=self.time)

    def put_budget(self, budget: Budget) -> None:
        """Store the definition of a budget."""
        limits = {period.value: {"N": str(limit)} for period, limit in budget.limits.items()}
        texts = {
            "pk": "budgets",
            "sk": f"{budget.scope.value}:{budget.name}",
            "updated": "2026-12-01T12:00:00.000Z",
            "updated_by": budget.updated_by,
        }
        self.ledger.client.put_item(
            TableName=TABLE, Item={**{name: {"S": text} for name, text in texts.items()}, **limits}
        )

    def rows(self) -> dict[UsageKey, UsageCounts]:
        """Return all rows of usage."""
        days = {item["pk"]["S"].partition("#")[2] for item in self.items("usage#")}
        found: defaultdict[UsageKey, UsageCounts] = defaultdict(UsageCounts)
        for key, counts in self.table.rows(sorted(days)):
            found[key] += counts
        return dict(found)

    def total(self) -> UsageCounts:
        return sum(self.rows().values(), UsageCounts())

    def leases(self) -> list[StoredLease]:
        """Return all leases that are not settled."""
        days = {item["pk"]["S"].partition("#")[2] for item in self.items("lease#")}
        return list(self.table.lost_leases(days, now=datetime.max.replace(tzinfo=UTC)))

    def spending(self, budget: Budget) -> tuple[PeriodSpending, ...]:
        """Return what is spent of a budget now."""
        return self.table.spending(period_limits([budget], self.time.now))

    def items(self, prefix: str) -> list[dict[str, Any]]:
        """Return the items whose partition key begins so."""
        items = self.ledger.client.scan(TableName=TABLE)["Items"]
        return [item for item in items if item["pk"]["S"].startswith(prefix)]


class History:
    """Checks what is committed after each transaction."""

    def __init__(self, accounts: Accounts, budget: Budget) -> None:
        self.most = {period.value: 0 for period in budget.limits}
        self._server = accounts.server
        self._limits = {period.value: limit for period, limit in budget.limits.items()}
        accounts.server.after = self._check

    def _check(self, operation: str, _: Any) -> None:
        if operation != "TransactWriteItems":
            return
        for key, item in self._server.stored(TABLE, "spent#team:search").items():
            period, committed = key.partition(":")[0], int(item["committed"]["N"])
            self.most[period] = max(self.most[period], committed)

    @property
    def was_exceeded(self) -> bool:
        return any(self.most[period] > limit for period, limit in self._limits.items())


def team_budget(*, day: int | None = None, month: int | None = None, team: str = "search") -> Budget:
    """Return a budget in nano-dollars."""
    limits = {Period.DAY: day, Period.MONTH: month}
    return Budget(
        scope=BudgetScope.TEAM,
        name=team,
        limits={period: limit for period, limit in limits.items() if limit is not None},
        updated=TODAY,
        updated_by="admin",
    )


@dataclass(frozen=True)
class Bounds:
    """The upper bounds of an attempt."""

    input_tokens: int
    output_tokens: int
    cost_usd: float | None


def planned_attempt(
    *, cost_usd: float | None, attempts: Sequence[RequestAttempt] = (), model_id: str = "model"
) -> PlannedAttempt:
    """Return an attempt of at most 600 input and 100 output tokens, as the library plans it."""
    return PlannedAttempt(
        model_id=model_id,
        region="us-east-1",
        access_method="on_demand",
        inference_profile_id=None,
        request_id=None,
        attempts=tuple(attempts),
        bounds=Bounds(600, 100, cost_usd),
    )
