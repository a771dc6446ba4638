"""Numbers as the report shows them."""

from __future__ import annotations

import pytest

from llmmanager.batch_report.charts import nice_limit
from llmmanager.batch_report.number_formats import counted, dollars, duration, moment_of, percent, short_count


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (0.42, "0.42 ms"),
        (850, "850 ms"),
        (999.6, "1 s"),
        (1_432, "1.43 s"),
        (59_900, "59.9 s"),
        (59_960, "1 min 00 s"),
        (3_599_700, "1 h 00 min"),
        (200_000, "3 min 20 s"),
        (7_500_000, "2 h 05 min"),
        (86_399_999, "1 day 0 h"),
        (2 * 86_400_000 + 3_600_000, "2 days 1 h"),
    ],
)
def test_durations(milliseconds, text):
    assert duration(milliseconds) == text


@pytest.mark.parametrize(
    ("time", "text"),
    [
        ("2026-12-01T03:17:19.014000+00:00", "2026-12-01 03:17:19 UTC"),
        ("2026-12-02T00:30:00.000Z", "2026-12-02 00:30:00 UTC"),
        ("2026-12-02T00:30:00+02:00", "2026-12-01 22:30:00 UTC"),
        (None, None),
    ],
)
def test_times_of_the_api_are_shown_in_utc(time, text):
    assert moment_of(time) == text


@pytest.mark.parametrize(
    ("usd", "text"),
    [(0, "$0"), (1234.5, "$1,234.50"), (0.5, "$0.500"), (0.0001234, "$0.000123"), (0.9999, "$1.000")],
)
def test_amounts(usd, text):
    assert dollars(usd) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (0.25, "0.25"),
        (7, "7"),
        (999, "999"),
        (9_999, "9,999"),
        (12_345, "12.3 k"),
        (1_234_567, "1.23 M"),
        (999_999, "1 M"),
        (2.5e12, "2.5 T"),
    ],
)
def test_short_counts(number, text):
    assert short_count(number) == text


def test_a_share_is_exact_at_its_ends_only():
    assert [percent(part, 100_000) for part in (0, 1, 98_250, 99_999, 100_000)] == [
        *("0 %", "0.1 %", "98.2 %", "99.9 %", "100 %")
    ]


def test_numbers_with_nouns():
    assert (counted(1, "day"), counted(2, "day")) == ("1 day", "2 days")


@pytest.mark.parametrize(
    ("value", "limit"), [(0, 1), (0.3, 0.4), (1, 1), (1.1, 2), (47, 50), (51, 100), (101, 200)]
)
def test_the_limit_of_an_axis_is_a_round_number(value, limit):
    assert nice_limit(value) == pytest.approx(limit)
