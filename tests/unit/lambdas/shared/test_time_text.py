"""Times as text."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.shared.time_text import format_time, parse_time

milliseconds = st.datetimes(
    datetime(2000, 1, 1), datetime(9000, 1, 1), timezones=st.sampled_from([UTC, timezone(timedelta(hours=1))])
).map(lambda time: time.replace(microsecond=time.microsecond // 1000 * 1000))


@given(milliseconds, milliseconds)
def test_the_order_of_formatted_times_is_that_of_the_times(first: datetime, second: datetime) -> None:
    assert (format_time(first) < format_time(second)) == (first < second)
    assert parse_time(format_time(first)) == first


@pytest.mark.parametrize(
    "text", ["", "tomorrow", "2027-01-31", "2027-01-31T00:00:00", "9999-12-31T23:59:59-12:00"]
)
def test_a_time_without_an_offset_or_out_of_range_is_invalid(text: str) -> None:
    with pytest.raises(ValueError, match="not an ISO 8601 time"):
        parse_time(text)
