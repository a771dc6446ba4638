"""Events over time in few intervals."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from llmmanager.batch_report.timeline import MAX_INTERVALS, Timeline

START = datetime(2026, 12, 1, 8, 15, 30, tzinfo=UTC)


def filled(seconds) -> Timeline:
    timeline = Timeline()
    for second in seconds:
        timeline.at(START + timedelta(seconds=second)).answered += 1
    return timeline


@given(seconds=st.lists(st.integers(0, 40_000_000), min_size=1, max_size=60))
def test_every_event_is_in_the_interval_of_its_time(seconds):
    timeline = filled(seconds)
    intervals = list(timeline.intervals())

    assert len(intervals) <= MAX_INTERVALS
    for start, interval in intervals:
        end = start + timedelta(seconds=timeline.seconds)
        within = [second for second in seconds if start <= START + timedelta(seconds=second) < end]
        assert interval.answered == len(within)
    assert timeline.end == intervals[-1][0] + timedelta(seconds=timeline.seconds)


def test_intervals_get_wider_as_the_time_gets_longer():
    assert filled(range(60)).seconds == 1
    assert filled([0, 3600]).seconds == 60
    assert filled([0, 29 * 86_400]).seconds == 21_600
    assert filled([0, 3000 * 86_400]).seconds >= 25 * 86_400


def test_few_events_are_shown_in_wide_intervals():
    sparse = filled(range(0, 100, 2)).readable()

    assert sparse.seconds == 10
    assert sum(interval.answered for _, interval in sparse.intervals()) == 50
    assert filled(sorted([*range(100)] * 10)).readable().seconds == 1


def test_there_are_no_intervals_without_events():
    assert list(Timeline().intervals()) == []
    assert Timeline().end is None
