"""The tables and the plot of the section "under a quota"."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence

from tests.benchmarks.quota_outcome import Case, Outcome
from tests.benchmarks.section import Picture, Section, Table
from tests.benchmarks.table import number

_HEADINGS = (
    "library",
    "settings",
    "answered",
    "calls per answer",
    "throttled calls",
    "time",
    "x LLMManager's time",
    "share of the quota",
)
# How many points a line of the plot has at least.
_POINTS = 100


def section_of(outcomes: Sequence[Outcome], tried: Sequence[Outcome]) -> Section:
    """Return the section: this library's outcome first, then the others; `tried` chose their settings."""
    case = outcomes[0].case
    tables = [
        Table(
            headings=_HEADINGS,
            rows=_rows(outcomes, reference=outcomes[0]),
            caption=_described(case),
            in_readme=True,
        )
    ]
    if tried:
        caption = (
            "The settings of the rivals were chosen from these, which ran at the same time, each with a "
            "quota of its own: most answers first, then the shortest time."
        )
        tables.append(Table(headings=_HEADINGS, rows=_rows(tried, reference=None), caption=caption))
    return Section(pictures=[_picture(outcomes)], tables=tables)


def _described(case: Case) -> str:
    shortest, longest = case.latency
    return (
        f"{case.requests} requests with `maxTokens` {case.max_tokens}, {case.concurrency} at a time, one "
        f"region, model and access method, {case.tokens:,} tokens per window of {case.window_seconds:g} s, "
        f"answers after {shortest:g} to {longest:g} s. At the start the window is empty, so that a share "
        "slightly above 1 is possible."
    )


def _rows(outcomes: Iterable[Outcome], *, reference: Outcome | None) -> list[tuple[str, ...]]:
    return [
        (
            outcome.contender.side.title,
            outcome.contender.described,
            f"{outcome.answered} of {outcome.case.requests}",
            f"{outcome.calls_per_answer:.2f}",
            f"{outcome.rejected:,}",
            f"{number(outcome.seconds)} s",
            f"{outcome.seconds / reference.seconds:.2f}" if reference else "",
            f"{outcome.share:.2f}",
        )
        for outcome in outcomes
    ]


def _picture(outcomes: Sequence[Outcome]) -> Picture:
    window = outcomes[0].case.window_seconds
    end = max(outcome.seconds for outcome in outcomes)
    return Picture(
        name="quota",
        script="plot_lines",
        title="Under a quota: answers a minute, and throttled calls",
        data={
            "title": f"{outcomes[0].case.requests} requests under a token quota",
            "below": "seconds since the first call",
            "panels": [
                {
                    "left": f"answers a minute (last {window:g} s)",
                    "lines": {
                        outcome.contender.side.title: per_minute(
                            outcome.moments(answered=True), window, end=min(end, outcome.seconds)
                        )
                        for outcome in outcomes
                    },
                },
                {
                    "left": "throttled calls so far",
                    "lines": {
                        outcome.contender.side.title: so_far(
                            outcome.moments(answered=False), end=outcome.seconds
                        )
                        for outcome in outcomes
                    },
                },
            ],
        },
    )


def per_minute(moments: Sequence[float], window: float, *, end: float) -> list[tuple[float, float]]:
    """Return (second, events a minute in the window before it); at first the window is what has passed."""
    points = []
    for at in _steps(end):
        begin = max(at - window, 0.0)
        events = bisect_right(moments, at) - bisect_right(moments, begin)
        points.append((at, events * 60 / window))
    return points


def so_far(moments: Sequence[float], *, end: float) -> list[tuple[float, float]]:
    """Return (second, events up to it)."""
    return [(0.0, 0.0), *((at, float(bisect_right(moments, at))) for at in _steps(end))]


def _steps(end: float) -> list[float]:
    return [round(end * step / _POINTS, 3) for step in range(1, _POINTS + 1)]
