"""The days, filters and groups of a report."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from lambdas.usage.usage_query import UsageQuery, read_usage_query
from llmmanager.json_format.codec import InvalidRequest

NOW = datetime(2026, 12, 10, 12, tzinfo=UTC)


def read(fixed: dict[str, str] | None = None, **parameters: str) -> UsageQuery:
    given = {name.removesuffix("_"): value for name, value in parameters.items()}
    return read_usage_query(given.get, now=NOW, fixed=fixed)


def test_without_parameters_it_is_the_current_month_by_day() -> None:
    query = read()

    assert (query.first, query.last) == (date(2026, 12, 1), date(2026, 12, 10))
    assert (query.groups, query.filters) == (("day",), {})
    assert (query.days[0], query.days[-1], len(query.days)) == ("2026-12-01", "2026-12-10", 10)


def test_the_current_day_is_that_of_utc() -> None:
    honolulu = datetime(2026, 11, 30, 20, tzinfo=timezone(timedelta(hours=-10)))

    assert read_usage_query({}.get, now=honolulu).days == ["2026-12-01"]


def test_days_before_the_last_one_begin_with_its_month() -> None:
    assert read(to="2026-02-03").days == ["2026-02-01", "2026-02-02", "2026-02-03"]


def test_a_report_has_at_most_92_days() -> None:
    assert len(read(from_="2026-01-01", to="2026-04-02").days) == 92
    with pytest.raises(InvalidRequest) as raised:
        read(from_="2026-01-01", to="2026-04-03")
    assert raised.value.reasons == ["from, to: must be at most 92 days (got 93)"]


def test_groups_are_in_one_order_and_counted_once() -> None:
    assert read(groupBy="model, day,model").groups == ("day", "model")


def test_a_fixed_filter_can_only_be_repeated() -> None:
    fixed = {"team": "search"}

    assert read(fixed, model="m").filters == {"team": "search", "model": "m"}
    assert read(fixed, team="search").filters == fixed
    with pytest.raises(InvalidRequest) as raised:
        read(fixed, team="ads")
    assert raised.value.reasons == ["team: must be 'search', or left out"]


@pytest.mark.parametrize(
    ("parameters", "error"),
    [
        ({"from_": "20261201"}, "from: must be a UTC day such as 2026-12-01 (got '20261201')"),
        ({"from_": "2026-W49-1"}, "from: must be a UTC day"),
        ({"to": "2026-12-32"}, "to: must be a UTC day such as 2026-12-01 (got '2026-12-32')"),
        ({"to": ""}, "to: must be a UTC day"),
        ({"from_": "2026-12-02", "to": "2026-12-01"}, "from, to: the first day must not be after the last"),
        ({"groupBy": "owner,day"}, "groupBy: must be one or more of day, team, caller, key, model"),
        ({"groupBy": ""}, "groupBy: must be one or more of day, team, caller, key, model"),
    ],
)
def test_an_invalid_parameter_is_named_with_what_is_accepted(parameters: dict[str, str], error: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        read(**parameters)
    (reason,) = raised.value.reasons
    assert reason.startswith(error)
