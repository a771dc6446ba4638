"""The UTC days and months of budgets."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from lambdas.usage.budget import Period


@pytest.mark.parametrize(
    ("time", "key", "start", "end"),
    [
        ("2026-12-31T23:59:59.999+00:00", "day:2026-12-31", "2026-12-31", "2027-01-01"),
        ("2027-01-01T00:00+00:00", "day:2027-01-01", "2027-01-01", "2027-01-02"),
        ("2028-02-28T12:00+00:00", "day:2028-02-28", "2028-02-28", "2028-02-29"),
        ("2026-12-31T23:59:59.999+00:00", "month:2026-12", "2026-12-01", "2027-01-01"),
        ("2027-01-01T00:00+00:00", "month:2027-01", "2027-01-01", "2027-02-01"),
        ("2027-01-31T00:00+00:00", "month:2027-01", "2027-01-01", "2027-02-01"),
        ("2027-02-01T00:00+00:00", "month:2027-02", "2027-02-01", "2027-03-01"),
    ],
)
def test_a_period_begins_and_ends_at_midnight(time: str, key: str, start: str, end: str) -> None:
    period, at = Period(key.partition(":")[0]), datetime.fromisoformat(time)

    assert period.key(at) == key
    assert period.start(at) == datetime.fromisoformat(start).replace(tzinfo=UTC)
    assert period.end(at) == datetime.fromisoformat(end).replace(tzinfo=UTC)


def test_a_period_is_that_of_utc() -> None:
    # It is already December in Tokyo.
    tokyo = datetime(2026, 12, 1, 8, tzinfo=timezone(timedelta(hours=9)))

    assert Period.DAY.key(tokyo) == "day:2026-11-30"
    assert Period.MONTH.key(tokyo) == "month:2026-11"
    assert Period.MONTH.end(tokyo) == datetime(2026, 12, 1, tzinfo=UTC)
