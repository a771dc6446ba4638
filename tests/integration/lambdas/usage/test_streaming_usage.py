"""GET /usage of the streaming API: the usage of the key's own team."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from lambdas.usage.budget import BudgetScope
from lambdas.usage.budget_table import budget_table
from lambdas.usage.period_limit import period_limits
from tests.integration.lambdas.streaming_api.conftest import IDENTITY, Api

KEY = replace(IDENTITY, key_id="abcdefgh01234567", owner="ada", team="search")


@pytest.fixture
def get(deployed: Any, make_context: Any) -> Any:
    """Sends a request with the key and returns status and document."""

    def send(identity: Any = KEY, **query: str) -> Any:
        from lambdas.streaming_api.handler import handler

        api = Api(make_context, identity)
        event = {**api.event("GET", "/usage"), "queryStringParameters": query or None}
        response = handler(event, make_context(900))
        return response.status, json.loads(b"".join(response.body))

    return send


def test_a_key_sees_the_usage_of_all_callers_of_its_team_only(get: Any, add_row: Any, add_lease: Any) -> None:
    today = datetime.now(UTC).date().isoformat()
    add_row(today, team="search", caller="ada", requests=1)
    add_row(today, team="search", caller="bob", requests=2)
    add_row(today, team="search ads", caller="ada", requests=4)
    add_row(today, team="", caller="ada", requests=8)
    add_lease(today, lost=True, cost=1, team="ads")

    status, usage = get(groupBy="team,caller")

    assert status == 200
    assert [(row["team"], row["caller"], row["requests"]) for row in usage["rows"]] == [
        ("search", "ada", 1),
        ("search", "bob", 2),
    ]
    assert usage["totals"]["requests"] == 3
    assert usage["totals"]["lostReservations"]["count"] == 0
    assert usage["budgets"] == []


def test_a_key_sees_what_is_left_of_the_budgets_that_apply_to_it(get: Any, call: Any, spend: Any) -> None:
    for path in ("key/abcdefgh01234567", "caller/ada", "team/search", "team/ads", "caller/bob"):
        call("PUT", f"/v1/budgets/{path}", {"dailyUsd": 2})
    (day,) = period_limits(budget_table().find([(BudgetScope.TEAM, "search")]), datetime.now(UTC))
    spend(day, committed=1_500_000_000, reserved=250_000_000)

    budgets = get()[1]["budgets"]

    assert [(budget["scope"], budget["name"]) for budget in budgets] == [
        ("key", "abcdefgh01234567"),
        ("caller", "ada"),
        ("team", "search"),
    ]
    assert [budget["day"]["left"] for budget in budgets] == [2.0, 2.0, 0.5]
    assert not any("updatedBy" in budget or "links" in budget for budget in budgets)


def test_a_key_cannot_ask_for_another_team(get: Any) -> None:
    status, document = get(team="ads")

    assert status == 400
    assert document["error"]["param"] == "team"
    assert document["error"]["message"] == "team: must be 'search', or left out"
    assert get(team="search")[0] == 200


def test_an_expired_key_sees_nothing(get: Any) -> None:
    expired = replace(KEY, expires=datetime(2026, 1, 1, tzinfo=UTC))

    status, document = get(expired)

    assert (status, document["error"]["code"]) == (401, "invalid_api_key")
