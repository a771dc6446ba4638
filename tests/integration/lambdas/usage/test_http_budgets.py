"""The routes that manage budgets."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import boto3

from lambdas.usage.budget import BudgetScope
from lambdas.usage.budget_table import budget_table
from lambdas.usage.period_limit import period_limits
from tests.deployed_storage import USAGE_TABLE
from tests.integration.lambdas.usage.conftest import ADMIN

TEAM = "/v1/budgets/team/search"


def test_a_budget_is_set_read_changed_and_deleted(call: Any) -> None:
    before = datetime.now(UTC)

    status, budget = call("PUT", TEAM, {"dailyUsd": 5, "monthlyUsd": 100.25})

    assert status == 200
    resets = {period: datetime.fromisoformat(budget[period].pop("resetsAt")) for period in ("day", "month")}
    assert before < resets["day"] <= resets["month"]
    assert resets["month"].day == 1
    unspent = {"spent": 0.0, "reserved": 0.0}
    assert budget == {
        "scope": "team",
        "name": "search",
        "dailyUsd": 5.0,
        "monthlyUsd": 100.25,
        "day": {"limit": 5.0, "left": 5.0, **unspent},
        "month": {"limit": 100.25, "left": 100.25, **unspent},
        "updatedAt": budget["updatedAt"],
        "updatedBy": ADMIN,
        "links": {"self": TEAM},
    }
    changed = call("PUT", TEAM, {"dailyUsd": None, "monthlyUsd": 50})[1]
    assert (changed["dailyUsd"], changed["day"], changed["monthlyUsd"]) == (None, None, 50.0)
    assert call("GET", TEAM) == (200, changed)
    assert call("DELETE", TEAM) == (200, changed)
    assert call("GET", TEAM)[0] == call("DELETE", TEAM)[0] == 404


def test_a_set_budget_applies_to_the_next_call(call: Any) -> None:
    team = (BudgetScope.TEAM, "search")
    assert budget_table().find([team]) == ()

    call("PUT", TEAM, {"dailyUsd": 0.000000001})

    (found,) = budget_table().find([team])
    assert found.limits == {"day": 1}
    call("DELETE", TEAM)
    assert budget_table().find([team]) == ()


def test_a_budget_shows_what_is_left_in_the_current_periods(call: Any, spend: Any) -> None:
    call("PUT", TEAM, {"dailyUsd": 5, "monthlyUsd": 100})
    day, month = period_limits(budget_table().find([(BudgetScope.TEAM, "search")]), datetime.now(UTC))
    spend(day, committed=6_000_000_000, reserved=500_000_000)
    spend(month, committed=40_000_000_000, reserved=0)
    (yesterday,) = period_limits(
        budget_table().find([(BudgetScope.TEAM, "search")]), datetime(2026, 1, 1, tzinfo=UTC)
    )[:1]
    spend(yesterday, committed=3, reserved=3)

    budget = call("GET", TEAM)[1]

    expected = {"limit": 5.0, "spent": 5.5, "reserved": 0.5, "left": 0.0}
    assert budget["day"] == {**expected, "resetsAt": budget["day"]["resetsAt"]}
    assert (budget["month"]["spent"], budget["month"]["left"]) == (40.0, 60.0)


def test_a_name_can_have_slashes_and_be_encoded(call: Any) -> None:
    for path, name in (
        ("/v1/budgets/caller/arn:aws:iam::123456789012:user/a/ada", "arn:aws:iam::123456789012:user/a/ada"),
        ("/v1/budgets/caller/arn%3Aaws%3Aiam%3A%3A1%3Auser%2Fada", "arn:aws:iam::1:user/ada"),
        ("/v1/budgets/caller/ada%20lovelace", "ada lovelace"),
        ("/v1/budgets/key/abcdefgh01234567", "abcdefgh01234567"),
    ):
        status, budget = call("PUT", path, {"dailyUsd": 1})
        assert (status, budget["name"]) == (200, name)
        assert call("GET", budget["links"]["self"]) == (200, budget)


def test_all_budgets_are_listed_by_page(call: Any) -> None:
    names = [f"team-{number:03d}" for number in range(120)]
    for name in names:
        call("PUT", f"/v1/budgets/team/{name}", {"dailyUsd": 1, "monthlyUsd": 2})

    first = call("GET", "/v1/budgets", limit="100")[1]
    second = call("GET", "/v1/budgets", limit="100", nextToken=first["nextToken"])[1]

    assert [budget["name"] for budget in first["budgets"] + second["budgets"]] == names
    assert "nextToken" not in second
    assert {budget["month"]["left"] for budget in first["budgets"]} == {2.0}
    assert call("GET", "/v1/budgets", nextToken="none")[1]["errors"][0].startswith("nextToken: must be")


def test_an_invalid_budget_is_not_set(call: Any) -> None:
    for path in ("/v1/budgets/group/a", "/v1/budgets/team/%20a", "/v1/budgets/key/none"):
        assert call("PUT", path, {"dailyUsd": 1})[0] == 400
    status, problem = call("PUT", TEAM, {"dailyUsd": "5", "weeklyUsd": 1})

    assert (status, [error.partition(":")[0] for error in problem["errors"]]) == (
        400,
        ["weeklyUsd", "dailyUsd"],
    )
    assert call("GET", "/v1/budgets")[1] == {"budgets": []}


def test_without_the_table_the_routes_of_budgets_are_not_available(call: Any) -> None:
    boto3.client("dynamodb").delete_table(TableName=USAGE_TABLE)

    assert call("GET", TEAM)[0] >= 500
    assert call("PUT", TEAM, {"dailyUsd": 1})[0] >= 500
