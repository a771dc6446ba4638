"""The figures of a run under a quota, computed from FakeBedrock's log of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.benchmarks.quota import best
from tests.benchmarks.quota_contenders import OURS, RIVALS
from tests.benchmarks.quota_outcome import Case, Outcome
from tests.benchmarks.quota_report import per_minute, section_of, so_far

CASE = Case(requests=3, tokens=100, window_seconds=10, latency=(0.2, 0.6))
# Two answers and two throttled calls in 10 seconds.
CALLS = [
    {"started_at": 50.0, "ended_at": 50.5, "status": 200},
    {"started_at": 50.1, "ended_at": 50.1, "status": 429},
    {"started_at": 51.0, "ended_at": 51.0, "status": 429},
    {"started_at": 52.0, "ended_at": 60.0, "status": 200},
]
OUTCOME = Outcome(OURS, CASE, answered=2, seconds=10.0, calls=CALLS, settled_tokens=80)


def test_an_outcome_counts_the_throttled_calls_and_the_calls_of_each_answer() -> None:
    assert OUTCOME.rejected == 2
    assert OUTCOME.calls_per_answer == 2.0


def test_the_share_is_the_part_of_the_quota_that_was_settled_over_the_time() -> None:
    assert OUTCOME.share == pytest.approx(0.8)
    assert replace(OUTCOME, seconds=20.0).share == pytest.approx(0.4)


def test_a_run_without_an_answer_has_figures_too() -> None:
    nothing = replace(OUTCOME, answered=0, calls=CALLS[1:3], settled_tokens=0)
    assert nothing.calls_per_answer == 2.0
    assert nothing.share == 0.0


def test_moments_are_counted_from_the_first_call() -> None:
    assert OUTCOME.moments(answered=True) == [0.5, 10.0]
    assert OUTCOME.moments(answered=False) == pytest.approx([0.1, 1.0])


def test_answers_a_minute_are_those_of_the_window_before() -> None:
    line = dict(per_minute([1.0, 2.0, 11.5], 10.0, end=20.0))
    assert line[2.0] == 12.0
    assert line[11.8] == 12.0
    assert line[20.0] == 6.0


def test_a_sum_so_far_begins_with_0_and_ends_with_all() -> None:
    line = so_far([1.0, 2.0], end=4.0)
    assert line[0] == (0.0, 0.0)
    assert line[-1] == (4.0, 2.0)


def test_the_best_configuration_answers_most_and_then_is_fastest() -> None:
    slow, fast, incomplete = RIVALS[0][:3]
    outcomes = [
        Outcome(slow, CASE, 3, 20.0, CALLS, 80),
        Outcome(fast, CASE, 3, 12.0, CALLS, 80),
        Outcome(incomplete, CASE, 2, 5.0, CALLS, 80),
    ]
    assert best(outcomes) is fast


def test_the_table_shows_each_time_as_a_multiple_of_our_time() -> None:
    rival = replace(OUTCOME, contender=RIVALS[0][0], seconds=25.0)
    shown = section_of([OUTCOME, rival], [])
    (table,) = shown.tables
    assert [row[table.headings.index("x LLMManager's time")] for row in table.rows] == ["1.00", "2.50"]
    assert table.in_readme


def test_the_plot_has_a_line_for_each_contender_in_each_panel() -> None:
    rival = replace(OUTCOME, contender=RIVALS[0][0])
    (picture,) = section_of([OUTCOME, rival], []).pictures
    assert [sorted(panel["lines"]) for panel in picture.data["panels"]] == [
        ["LLMManager", "LiteLLM Router"]
    ] * 2


def test_the_configurations_that_were_tried_have_a_table_of_their_own() -> None:
    tried = [replace(OUTCOME, contender=rival) for rival in RIVALS[2]]
    assert len(section_of([OUTCOME], tried).tables[1].rows) == len(RIVALS[2])
