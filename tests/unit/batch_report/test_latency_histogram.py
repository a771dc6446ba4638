"""Percentiles of durations from bins."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmmanager.batch_report.latency_histogram import LatencyHistogram


def filled(durations) -> LatencyHistogram:
    histogram = LatencyHistogram()
    for milliseconds in durations:
        histogram.add(milliseconds)
    return histogram


@given(
    durations=st.lists(st.floats(1, 1e9), min_size=1, max_size=200),
    share=st.sampled_from([0.5, 0.95, 0.99, 1]),
)
def test_a_percentile_is_within_one_percent_of_the_duration_of_its_rank(durations, share):
    exact = sorted(durations)[math.ceil(share * len(durations)) - 1]

    assert filled(durations).percentile(share) == pytest.approx(exact, rel=0.01)


def test_there_is_no_percentile_without_durations():
    assert LatencyHistogram().percentile(0.5) is None
    assert list(LatencyHistogram().bars(10)) == []


def test_durations_outside_of_the_bins_are_counted_in_the_first_and_the_last():
    histogram = filled([0.0, 0.5, 1e12])

    assert histogram.percentile(0.5) <= 1.02
    assert histogram.summary()["max"] == 1e12
    assert sum(number for _, _, number in histogram.bars(10)) == 3


@given(durations=st.lists(st.floats(1, 1e6), min_size=1, max_size=50), at_most=st.integers(1, 60))
def test_bars_cover_every_duration_without_gaps(durations, at_most):
    bars = list(filled(durations).bars(at_most))

    assert 1 <= len(bars) <= at_most
    assert sum(number for _, _, number in bars) == len(durations)
    assert all(one[1] == pytest.approx(two[0]) for one, two in pairwise(bars))
    assert bars[0][0] <= min(durations) * 1.0001
    assert bars[-1][1] >= max(durations) * 0.9999
