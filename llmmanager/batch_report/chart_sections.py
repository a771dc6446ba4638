"""The charts of the report: answers, throttles and cost over time, and the distribution of latency."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta

from llmmanager.batch_report.batch_figures import BatchFigures
from llmmanager.batch_report.charts import Bar, Chart
from llmmanager.batch_report.html_elements import Html, el, joined
from llmmanager.batch_report.latency_histogram import LatencyHistogram
from llmmanager.batch_report.number_formats import count, counted, dollars, duration, short_count
from llmmanager.batch_report.timeline import Interval, Timeline

_LATENCY_BARS = 60
_FEWEST_BARS = 2
_SHORT_INTERVAL = 10  # seconds
Part = tuple[Callable[[Interval], float], str]


def over_time(figures: BatchFigures) -> Html:
    """Return charts of answers, throttled calls and cost over time."""
    timeline = figures.timeline.readable()
    intervals = list(timeline.intervals())
    if len(intervals) < _FEWEST_BARS:
        return joined()
    unit, seconds = ("second", 1) if timeline.seconds < _SHORT_INTERVAL else ("minute", 60)
    factor = seconds / timeline.seconds
    charts = (
        _chart(
            timeline,
            f"Records per {unit}",
            (
                (lambda each: each.answered * factor, "answered"),
                (lambda each: each.failed * factor, "failed"),
            ),
            format_=short_count,
            note=f"{count(figures.answered)} answered, {count(figures.failed)} failed",
        ),
        _chart(
            timeline,
            f"Throttled calls per {unit}",
            ((lambda each: each.throttles * factor, "throttles"),),
            format_=short_count,
            note=counted(sum(each.throttles for _, each in intervals), "throttled call"),
        ),
        _chart(
            timeline,
            f"Cost per {unit}",
            ((lambda each: each.cost * factor, "cost"),),
            format_=dollars,
            note=f"{dollars(sum(each.cost for _, each in intervals))} in total",
        ),
    )
    return el("div", *(chart.to_html() for chart in charts), class_="charts")


def _chart(
    timeline: Timeline, title: str, parts: Sequence[Part], *, format_: Callable[[float], str], note: str
) -> Chart:
    bars = [
        Bar(
            [(height(interval), style) for height, style in parts],
            ", ".join(
                [
                    _clock(start, timeline),
                    *(f"{format_(height(interval))} {style}" for height, style in parts),
                ]
            ),
        )
        for start, interval in timeline.intervals()
    ]
    return Chart(title, note, bars, list(_time_labels(timeline)), format_)


def _time_labels(timeline: Timeline) -> Iterator[str]:
    starts = [start for start, _ in timeline.intervals()]
    end = timeline.end or starts[-1]
    middle = starts[0] + (end - starts[0]) / 2
    yield _clock(starts[0], timeline)
    if end - starts[0] > timedelta(seconds=timeline.seconds):
        yield _clock(middle, timeline)
    yield _clock(end, timeline)


def _clock(time: datetime, timeline: Timeline) -> str:
    """Return a time, with as much of the date and the seconds as the length of the chart needs."""
    start, _ = next(timeline.intervals())
    if (timeline.end or start).date() != start.date():
        return f"{time:%b} {time.day} {time:%H:%M}"
    return f"{time:%H:%M:%S}" if timeline.seconds < _SHORT_INTERVAL else f"{time:%H:%M}"


def latency_chart(figures: BatchFigures) -> Html:
    """Return the distribution of the durations of the calls that gave an answer."""
    latency = figures.call_latency
    # With few answers, many bars would mostly be empty.
    bars = list(latency.bars(min(2 * math.isqrt(latency.count), _LATENCY_BARS) or 1))
    if len(bars) < _FEWEST_BARS:
        return joined()
    shown = [
        Bar(
            [(float(number), "answered")], f"{duration(low)} to {duration(high)}: {counted(number, 'answer')}"
        )
        for low, high, number in bars
    ]
    first, middle, last = bars[0][0], bars[len(bars) // 2][0], bars[-1][1]
    return el(
        "div",
        Chart(
            "Answers by duration",
            ", ".join(f"{name} {duration(value)}" for name, value in _percentiles(latency)),
            shown,
            [duration(first), duration(middle), duration(last)]
            if len(bars) > 2
            else [duration(first), duration(last)],
            short_count,
            [(_place(value, bars), f"{name} {duration(value)}") for name, value in _percentiles(latency)],
        ).to_html(),
        class_="wide",
    )


def _percentiles(latency: LatencyHistogram) -> list[tuple[str, float]]:
    return [(name, value) for name, value in latency.summary().items() if value is not None and name != "max"]


def _place(value: float, bars: Sequence[tuple[float, float, int]]) -> float:
    """Return the place of a duration on the axis, from 0 to 1."""
    for index, (low, high, _) in enumerate(bars):
        if value < high:
            return (index + max(value - low, 0) / (high - low)) / len(bars)
    return 1.0
