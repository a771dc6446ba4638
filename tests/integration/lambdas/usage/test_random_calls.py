"""Random calls under a budget that changes, at random times, on a table that fails at random.

What the periods of the budget have is exactly what their calls have used, and what is still reserved.
"""

from __future__ import annotations

import random
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lambdas.usage import thresholds
from lambdas.usage.budget_exceeded import BudgetExceeded
from lambdas.usage.spending import CallSpending
from lambdas.usage.transaction import UsageTableUnavailable
from llmmanager import BedrockResponse, RequestAttempt
from tests.dynamodb_server import LOST, error_answer
from tests.integration.lambdas.usage.accounts import Accounts, planned_attempt, team_budget

ERRORS = [
    error_answer("TransactionCanceledException", CancellationReasons=[{"Code": "TransactionConflict"}]),
    error_answer("InternalServerError", status=500),
    error_answer("ThrottlingException"),
]
STEPS, LAST_START = 60, 40


@dataclass
class Call:
    """A call in progress.

    Attributes:
        used: nano-dollars of each attempt, or its bound if its answer was lost.
        bound: the bound of the last attempt.
    """

    spending: CallSpending
    attempts: list[RequestAttempt] = field(default_factory=list)
    used: list[int] = field(default_factory=list)
    bound: int = 0

    def send(self, chance: random.Random, now: datetime) -> None:
        """Reserve and make an attempt.

        Raises:
            BudgetExceeded, UsageTableUnavailable: the attempt is not reserved.
        """
        bound = chance.choice([0, 10, 300, 900])
        self.spending.before_attempt(planned_attempt(cost_usd=bound / 1e9, attempts=self.attempts))
        self.bound = bound
        cost, is_lost = chance.randint(0, bound), chance.random() < 0.2
        self.attempts.append(attempt(now, None if is_lost else cost))
        self.used.append(bound if is_lost else cost)

    def end(self, chance: random.Random) -> None:
        """Settle the call. Some settle twice, and some end with an unexpected error."""
        if self.attempts and chance.random() < 0.1:
            self.used[-1] = self.bound
            self.spending.settle(None)
        for _ in range(chance.choice([1, 2])):
            self.spending.settle(BedrockResponse(success=True, attempts=self.attempts))


def attempt(now: datetime, cost: int | None) -> RequestAttempt:
    return RequestAttempt(
        model_id="model",
        region="us-east-1",
        access_method="on_demand",
        attempt_number=1,
        start_time=now,
        end_time=now,
        success=cost is not None,
        usage=None if cost is None else {"inputTokens": 3, "outputTokens": 2, "totalTokens": 5},
        estimated_cost_usd=None if cost is None else cost / 1e9,
    )


def reserved(accounts: Accounts) -> Counter[tuple[str, str]]:
    """Return what the leases in the table reserve, by scope and period."""
    found: Counter[tuple[str, str]] = Counter()
    for item in accounts.items("lease#"):
        for period in item["periods"]["L"]:
            scope, key = (part["S"] for part in period["L"])
            found[scope, key] += int(item["cost"]["N"])
    return found


@pytest.mark.parametrize(("seed", "failures"), [(1, 0.0), (2, 0.1), (3, 0.3)])
def test_periods_have_what_their_calls_used_and_reserve(
    accounts: Accounts, monkeypatch: pytest.MonkeyPatch, seed: int, failures: float
) -> None:
    chance = random.Random(seed)
    monkeypatch.setattr(thresholds, "report_thresholds", lambda *_, **__: None)
    ledger = replace(accounts.ledger, seconds=0.1)
    accounts.time.now = datetime(2026, 12, 30, 12, tzinfo=UTC)

    def fail(operation: str, answers: list[Any]) -> Any:
        is_write = operation == "TransactWriteItems"
        return chance.choice(answers) if is_write and chance.random() < failures / 2 else None

    accounts.server.before = lambda operation, _: fail(operation, ERRORS)
    accounts.server.after = lambda operation, _: fail(operation, [LOST])
    calls: list[Call] = []
    running: list[Call] = []
    for step in range(STEPS):
        accounts.time.now += timedelta(minutes=chance.choice([1, 30, 400]))
        if step < LAST_START and (chance.random() < 0.5 or not running):
            day = chance.choice([None, chance.randrange(3000)])
            budget = team_budget(day=day, month=chance.randrange(6000))
            running.append(Call(accounts.call(budget, ledger=ledger)))
            calls.append(running[-1])
        if not running:
            break
        call = chance.choice(running)
        with suppress(BudgetExceeded, UsageTableUnavailable):
            if chance.random() < 0.6:
                call.send(chance, accounts.time.now)
                continue
        running.remove(call)
        call.end(chance)
    for call in running:
        call.end(chance)

    in_leases = reserved(accounts)
    spent = Counter[str]()
    for item in accounts.items("spent#"):
        scope, period = item["pk"]["S"].removeprefix("spent#"), item["sk"]["S"]
        assert int(item["reserved"]["N"]) == in_leases[scope, period]
        spent[period.partition(":")[0]] += int(item["committed"]["N"]) - int(item["reserved"]["N"])
    # All calls have a limit per month, and some per day.
    assert spent["month"] == accounts.total().max_cost >= spent["day"] > 0
    if not failures:
        assert not in_leases
        assert spent["month"] == sum(sum(call.used) for call in calls)
