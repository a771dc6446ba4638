"""GET /v1/usage."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lambdas.usage import usage_report as report

NOTHING = {
    "requests": 0,
    "failures": 0,
    "inputTokens": 0,
    "outputTokens": 0,
    "cacheReadTokens": 0,
    "cacheWriteTokens": 0,
    "costUsd": 0.0,
    "answersWithoutPrice": 0,
    "unconfirmed": {"attempts": 0, "inputTokens": 0, "outputTokens": 0, "costUsd": 0.0},
    "lostReservations": {"count": 0, "inputTokens": 0, "outputTokens": 0, "costUsd": 0.0},
}
DECEMBER = {"from": "2026-12-01", "to": "2026-12-31"}


def test_all_counts_of_a_day_are_reported(call: Any, add_row: Any, add_lease: Any) -> None:
    for _ in range(2):
        add_row(
            "2026-12-01",
            requests=3,
            failures=1,
            input_tokens=100,
            output_tokens=50,
            cache_read_tokens=7,
            cache_write_tokens=5,
            cost=1_500_000,
            unpriced=1,
            unconfirmed_attempts=2,
            unconfirmed_input_tokens=30,
            unconfirmed_output_tokens=40,
            unconfirmed_cost=2_000_000_000,
        )
    add_lease("2026-12-01", lost=True, cost=250_000_000, input_tokens=9, output_tokens=8)
    add_lease("2026-12-01", lost=False, cost=10**12)

    status, usage = call("GET", "/v1/usage", **DECEMBER)

    counts = {
        "requests": 6,
        "failures": 2,
        "inputTokens": 200,
        "outputTokens": 100,
        "cacheReadTokens": 14,
        "cacheWriteTokens": 10,
        "costUsd": 0.003,
        "answersWithoutPrice": 2,
        "unconfirmed": {"attempts": 4, "inputTokens": 60, "outputTokens": 80, "costUsd": 4.0},
        "lostReservations": {"count": 1, "inputTokens": 9, "outputTokens": 8, "costUsd": 0.25},
    }
    assert status == 200
    assert usage == {
        **DECEMBER,
        "groupBy": ["day"],
        "rows": [{"day": "2026-12-01", **counts}],
        "totals": counts,
    }


def test_rows_are_in_the_order_of_their_groups_and_the_totals_are_their_sum(call: Any, add_row: Any) -> None:
    for day in ("2026-12-02", "2026-12-01"):
        for team in ("search", "", "ads"):
            for model in ("n", "m"):
                add_row(day, team=team, model=model, requests=1, cost=1_000_000_000)

    by_two = call("GET", "/v1/usage", groupBy="model, team", **DECEMBER)[1]
    by_all = call("GET", "/v1/usage", groupBy="model,key,caller,team,day", **DECEMBER)[1]

    assert by_two["groupBy"] == ["team", "model"]
    assert [(row["team"], row["model"], row["requests"]) for row in by_two["rows"]] == [
        (team, model, 2) for team in (None, "ads", "search") for model in ("m", "n")
    ]
    assert len(by_all["rows"]) == 12
    assert (by_all["rows"][0]["day"], by_all["rows"][0]["key"]) == ("2026-12-01", None)
    assert by_two["totals"] == by_all["totals"] == {**NOTHING, "requests": 12, "costUsd": 12.0}


def test_filters_and_days_choose_what_is_counted(call: Any, add_row: Any) -> None:
    add_row("2026-12-01", requests=1)
    add_row("2026-12-02", requests=2, caller="bob", model="n")
    add_row("2026-12-01", requests=4, team="search ads", key_id="abcdefgh01234567")
    add_row("2026-12-31", requests=8, team="")
    add_row("2027-01-01", requests=16)
    add_row("2026-11-30", requests=32)

    for filters, requests in (
        ({}, 1 + 2 + 4 + 8),
        ({"team": "search"}, 1 + 2),
        ({"team": ""}, 8),
        ({"team": "sea"}, 0),
        ({"caller": "bob"}, 2),
        ({"key": "abcdefgh01234567"}, 4),
        ({"model": "m", "team": "search"}, 1),
        ({"from": "2026-12-02"}, 2 + 8),
        ({"to": "2026-12-01"}, 1 + 4),
    ):
        usage = call("GET", "/v1/usage", **{**DECEMBER, **filters})[1]
        assert usage["totals"]["requests"] == sum(row["requests"] for row in usage["rows"]) == requests, (
            filters
        )


def test_lost_reservations_of_another_team_are_not_counted(call: Any, add_lease: Any) -> None:
    add_lease("2026-12-01", lost=True, cost=1, team="search")
    add_lease("2026-12-01", lost=True, cost=2, team="ads")

    usage = call("GET", "/v1/usage", team="ads", groupBy="team", **DECEMBER)[1]

    assert [(row["team"], row["lostReservations"]["count"]) for row in usage["rows"]] == [("ads", 1)]


def test_the_default_is_the_current_month(call: Any, add_row: Any) -> None:
    today = datetime.now(UTC).date()
    first = today.replace(day=1)
    for day in {first - timedelta(days=1), first, today}:
        add_row(day.isoformat())

    usage = call("GET", "/v1/usage")[1]

    assert (usage["from"], usage["to"]) == (first.isoformat(), today.isoformat())
    assert usage["totals"]["requests"] == len({first, today})


def test_an_invalid_query_names_every_parameter(call: Any) -> None:
    status, problem = call("GET", "/v1/usage", **{"from": "december", "groupBy": "owner"})

    assert (status, [error.partition(":")[0] for error in problem["errors"]]) == (400, ["from", "groupBy"])


def test_a_report_that_is_too_large_says_how_to_make_it_smaller(
    call: Any, add_row: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for caller in ("ada", "bob", "eve"):
        add_row("2026-12-01", caller=caller)
    monkeypatch.setattr(report, "MAX_ROWS", 2)

    assert call("GET", "/v1/usage", groupBy="day", **DECEMBER)[0] == 200
    status, problem = call("GET", "/v1/usage", groupBy="caller", **DECEMBER)
    assert (status, problem["errors"][0].partition(";")[0]) == (
        400,
        "groupBy: the report has more than 2 rows",
    )
    monkeypatch.setattr(report, "MAX_ITEMS", 2)
    status, problem = call("GET", "/v1/usage", groupBy="day", **DECEMBER)
    assert (status, problem["errors"][0].partition(":")[0]) == (400, "from, to")
