"""The first screen of the report: did it work, what did it cost, how long did it take, what failed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from llmmanager.batch_report.batch_figures import BatchFigures
from llmmanager.batch_report.charts import share_bar
from llmmanager.batch_report.html_elements import Html, el, joined, shortened
from llmmanager.batch_report.lane_section import savings
from llmmanager.batch_report.number_formats import (
    count,
    counted,
    dollars,
    duration,
    moment,
    percent,
    short_count,
)

_TOP_ERRORS = 3
_EARLY_ENDS = {"stopped": "Ended early", "failed": "The batch failed", "timed_out": "The batch timed out"}
Summary = Mapping[str, Any]


def first_screen(summary: Summary, figures: BatchFigures) -> Html:
    """Return the heading, the verdict and a tile for each of the four questions."""
    times = [moment(datetime.fromisoformat(summary[name])) for name in ("startedAt", "endedAt")]
    style, verdict = _verdict(summary)
    return el(
        "header",
        el("p", "Batch report", class_="eyebrow"),
        el("h1", el("bdi", summary["batchId"])),
        el("p", " to ".join(times), class_="muted"),
        el("p", verdict, class_=f"verdict {style}"),
        el(
            "div",
            _outcome(summary),
            _cost(summary),
            _time(summary, figures),
            _failures(summary, figures),
            class_="tiles",
        ),
    )


def _verdict(summary: Summary) -> tuple[str, str]:
    """Return the style and the text of the verdict."""
    records, answered = summary["records"], summary["answered"]
    if early := _EARLY_ENDS.get(summary["status"]):
        reason = shortened(str(summary.get("reason") or "no reason is known"), 300).rstrip(".")
        return "bad", f"{early}: {reason}. {_answered_share(summary)}"
    if not records:
        return "warn", "The batch had no records."
    if answered == records:
        return "good", "Every record was answered."
    if not answered:
        return "bad", "No record was answered."
    return "warn", _answered_share(summary)


def _answered_share(summary: Summary) -> str:
    share = percent(summary["answered"], summary["records"] or 1)
    others = [f"{count(summary[name])} {name}" for name in ("failed", "rejected") if summary[name]]
    return ", ".join([f"{share} of the records were answered", *others]) + "."


def _tile(question: str, big: str, *rest: str) -> Html:
    return el("section", el("h2", question), el("p", big, class_="big"), *rest, class_="tile")


def _outcome(summary: Summary) -> Html:
    parts = [(name, summary[name]) for name in ("answered", "failed", "rejected")]
    legend = [
        el("li", el("span", f"{count(number)} {name}", class_=f"key {name}"))
        for name, number in parts
        if number or name == "answered"
    ]
    label = ", ".join(f"{count(number)} {name}" for name, number in parts)
    return _tile(
        "Did it work?",
        f"{count(summary['answered'])} of {count(summary['records'])} answered",
        share_bar([(float(number), name) for name, number in parts], label),
        el("ul", *legend),
    )


def _cost(summary: Summary) -> Html:
    cost, answered, usage = summary["estimatedCostUsd"], summary["answered"], summary["usage"]
    cached = usage.get("cacheReadInputTokens", 0) + usage.get("cacheWriteInputTokens", 0)
    tokens = (
        f"{short_count(usage.get('inputTokens', 0) + cached)} input and "
        f"{short_count(usage.get('outputTokens', 0))} output tokens"
    )
    rate = f"{dollars(cost * 1000 / answered)} per 1,000 answers" if cost and answered else None
    return _tile(
        "What did it cost?",
        "unknown" if cost is None else dollars(cost),
        *(el("p", text) for text in (rate, tokens) if text),
        *(el("p", el("a", text, href="#lanes")) for text in savings(summary)),
        *(el("p", text, class_="muted") for text in _not_included(summary)),
    )


def _not_included(summary: Summary) -> Iterator[str]:
    """Yield what the cost does not include."""
    if unpriced := summary.get("answersWithoutPrice"):
        yield f"Not included: {counted(unpriced, 'answer')} without a known price."
    if unknown := summary.get("attemptsWithUnknownUsage"):
        yield f"Not included: {counted(unknown, 'call')} whose answer was lost. AWS may bill them."


def _time(summary: Summary, figures: BatchFigures) -> Html:
    seconds, answered = summary["wallSeconds"], summary["answered"]
    latency = figures.call_latency.summary()
    p50, p95 = latency["p50"], latency["p95"]
    rate = _rate(answered, seconds)
    calls = f"An answer took {duration(p50)} (p50), {duration(p95)} (p95)" if p50 and p95 else None
    return _tile(
        "How long did it take?",
        duration(seconds * 1000),
        *(el("p", text) for text in (rate, calls) if text),
    )


def _rate(answered: int, seconds: float) -> str | None:
    """Return the answers per minute, per second in a batch of seconds, or None if they would say nothing."""
    if not answered or seconds < 1:
        return None
    unit, length = ("minute", 60) if seconds >= 60 else ("second", 1)
    return f"{short_count(answered * length / seconds)} answers per {unit}"


def _failures(summary: Summary, figures: BatchFigures) -> Html:
    failed, rejected = summary["failed"], summary["rejected"]
    numbers = [(failed, "failed"), (rejected, "rejected")]
    big = ", ".join(f"{count(number)} {what}" for number, what in numbers if number)
    errors = sorted(figures.errors.by_name.items(), key=lambda item: -item[1].records)
    top = [(code, totals.records) for code, totals in errors if totals.records]
    lines = [
        el("li", count(number), " × ", el("a", shortened(code, 60), href="#errors"))
        for code, number in top[:_TOP_ERRORS]
    ]
    if rejected:
        lines.append(el("li", count(rejected), " × ", el("a", "rejected line", href="#rejected")))
    if invalid := figures.invalid_records:
        text = f"{counted(invalid, 'record')} with an invalid answer"
        lines.append(el("li", el("a", text, href="#validation")))
    throttles = summary.get("throttles")
    return _tile(
        "What failed?",
        big or "Nothing",
        el("ul", *lines) if lines else joined(),
        el("p", f"{counted(throttles, 'throttled call')} of {count(summary['attempts'])}", class_="muted")
        if throttles
        else joined(),
    )
