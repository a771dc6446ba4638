"""One event and one metric in each period for 80 % and for 100 % of a budget."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from typing import Any

import pytest

from lambdas.usage.budget_exceeded import BudgetExceeded
from lambdas.usage.lease import Allowance, new_lease
from lambdas.usage.period_limit import period_limits
from lambdas.usage.thresholds import report_thresholds
from lambdas.usage.usage_counts import UsageCounts, UsageKey
from lambdas.usage.usage_items import claim_report
from tests.dynamodb_server import error_answer
from tests.integration.lambdas.usage.accounts import ADA, TABLE, Accounts, planned_attempt, team_budget

BUDGET = team_budget(day=1_000_000_000, month=2_000_000_000)


@pytest.fixture(autouse=True)
def event_bus(accounts: Accounts, aws_credentials: None, cold_start: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_EVENTBRIDGE", accounts.server.url)
    monkeypatch.setenv("LLMMANAGER_EVENT_BUS", "bus")
    cold_start()


def spend(accounts: Accounts, cost: int, *, day_limit: int = 1_000_000_000) -> None:
    """Spend nano-dollars and report thresholds."""
    budget = team_budget(day=day_limit, month=2_000_000_000)
    now = accounts.time.now
    lease = new_lease(period_limits([budget], now), ADA, Allowance(cost=cost), model="m", now=now)
    row = UsageKey(day="2026-12-01", team="search", caller=ADA.id, key_id="", model="m")
    accounts.ledger.reserve(lease)
    accounts.ledger.settle(lease, {row: UsageCounts(cost=cost)}, now=now)
    report_thresholds(accounts.ledger.client, TABLE, accounts.spending(budget))


def reported(accounts: Accounts) -> list[tuple[str, int, float]]:
    """Return period, threshold and limit of all events."""
    details = [json.loads(entry["Detail"]) for entry in accounts.server.events]
    return [(detail["period"], detail["threshold"], detail["limit"]) for detail in details]


def test_each_threshold_is_reported_once_in_each_period(accounts: Accounts, capsys: Any) -> None:
    spend(accounts, 799_999_999)
    assert reported(accounts) == []
    spend(accounts, 1)
    assert reported(accounts) == [("day", 80, 1.0)]
    spend(accounts, 1)
    spend(accounts, 199_999_999)
    assert reported(accounts) == [("day", 80, 1.0), ("day", 100, 1.0)]
    accounts.time.now += timedelta(days=1)
    spend(accounts, 800_000_000)
    assert reported(accounts)[2:] == [("day", 80, 1.0), ("month", 80, 2.0)]
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "BudgetThreshold" in line]
    assert [(line["period"], line["threshold"]) for line in lines] == [
        (period, threshold) for period, threshold, _ in reported(accounts)
    ]


def test_the_event_has_the_budget_and_what_is_spent(accounts: Accounts) -> None:
    spend(accounts, 850_000_000)
    (entry,) = accounts.server.events
    assert (entry["EventBusName"], entry["DetailType"]) == ("bus", "Budget Threshold")
    assert json.loads(entry["Detail"]) == {
        "scope": "team",
        "name": "search",
        "period": "day",
        "threshold": 80,
        "limit": 1.0,
        "spent": 0.85,
        "reserved": 0.0,
        "resetsAt": "2026-12-02T00:00:00.000Z",
    }


def test_a_changed_limit_is_reported_again(accounts: Accounts) -> None:
    spend(accounts, 850_000_000)
    spend(accounts, 1, day_limit=1_500_000_000)
    assert reported(accounts) == [("day", 80, 1.0)]
    spend(accounts, 350_000_000, day_limit=1_500_000_000)
    assert reported(accounts)[1:] == [("day", 80, 1.5)]


def test_the_first_refused_call_reaches_100_percent(accounts: Accounts) -> None:
    for _ in range(2):
        with pytest.raises(BudgetExceeded):
            accounts.call(BUDGET).before_attempt(planned_attempt(cost_usd=1.5))
    assert reported(accounts) == [("day", 100, 1.0)]
    (item,) = accounts.items("spent#")
    assert int(item["expires_at"]["N"]) > accounts.time.now.timestamp()


def test_80_percent_are_reported_after_a_refused_call(accounts: Accounts) -> None:
    with pytest.raises(BudgetExceeded):
        accounts.call(BUDGET).before_attempt(planned_attempt(cost_usd=1.5))
    spend(accounts, 850_000_000)
    assert reported(accounts) == [("day", 100, 1.0), ("day", 80, 1.0)]


def test_the_event_of_a_killed_call_is_sent_after_its_claim(
    accounts: Accounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    (limit, _) = period_limits([BUDGET], accounts.time.now)
    now = accounts.time.now.timestamp()
    monkeypatch.setattr(time, "time", lambda: now)
    claim = claim_report(limit, 80, now=now, until=now + 30)
    accounts.ledger.client.update_item(TableName=TABLE, **claim)
    spend(accounts, 850_000_000)
    assert reported(accounts) == []
    monkeypatch.setattr(time, "time", lambda: now + 32)
    spend(accounts, 1)
    spend(accounts, 1)
    assert reported(accounts) == [("day", 80, 1.0)]


def test_an_event_that_cannot_be_sent_is_sent_later(accounts: Accounts, cold_start: Any, caplog: Any) -> None:
    accounts.server.before = lambda operation, _: (
        error_answer("AccessDeniedException") if operation == "PutEvents" else None
    )
    spend(accounts, 850_000_000)
    assert [record.message for record in caplog.records] == ["budget threshold not reported"]
    spend(accounts, 1)
    assert len(accounts.server.events) == 1, "a failure pauses reports"
    assert accounts.spending(BUDGET)[0].reported == {}
    accounts.server.before = lambda *_: None
    cold_start()
    spend(accounts, 1)
    assert len(accounts.server.events) == 2
    assert accounts.spending(BUDGET)[0].reported == {80: 1_000_000_000}
