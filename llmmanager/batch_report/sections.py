"""The sections of the report after its first screen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from llmmanager.batch_report.batch_figures import (
    OTHERS,
    BatchFigures,
    ErrorTotals,
    Groups,
    TargetTotals,
)
from llmmanager.batch_report.charts import share_bar
from llmmanager.batch_report.html_elements import Html, el, joined, shortened
from llmmanager.batch_report.latency_histogram import LatencyHistogram
from llmmanager.batch_report.limits import MAX_SAMPLE_CHARACTERS
from llmmanager.batch_report.next_steps import next_step
from llmmanager.batch_report.number_formats import count, counted, dollars, duration, moment, short_count
from llmmanager.batch_report.tables import table

_MAX_MESSAGE, _MAX_ID, _MAX_LINE = 300, 80, 300
_NO_TEAM = "no team"


def section(id_: str, title: str, *content: str) -> Html:
    """Return a section with a heading that can be linked to."""
    return el("section", el("h2", title, id=id_), *content)


def by_model_region_team(figures: BatchFigures) -> Html:
    """Return the tables by model and region, and by team if a record has one."""
    parts = [("model", figures.models), ("region", figures.regions)]
    if any(figures.teams.by_name):
        parts.append(("team", figures.teams))
    tables = [_totals(name, groups) for name, groups in parts if groups.by_name]
    title = "By model, region and team" if len(parts) == 3 else "By model and region"
    return section("cost", title, *tables) if tables else joined()


def _totals(name: str, groups: Groups[TargetTotals]) -> Html:
    rows = sorted(groups.by_name.items(), key=lambda item: (-item[1].cost, -item[1].answered, item[0]))
    whole = sum(totals.cost for _, totals in rows)
    has_failed = any(totals.failed for _, totals in rows)
    headers = [
        name.capitalize(),
        "Answers",
        *(["Failed"] if has_failed else []),
        "Calls",
        "Throttled",
        "Input tokens",
        "Output tokens",
        "Cost",
        "Share of cost",
    ]
    cells = [
        (
            _name(group, empty=_NO_TEAM),
            count(totals.answered),
            *([count(totals.failed)] if has_failed else []),
            count(totals.attempts),
            count(totals.throttles),
            short_count(totals.input_tokens),
            short_count(totals.output_tokens),
            _cost(totals),
            _share(totals.cost, whole),
        )
        for group, totals in rows
    ]
    return el(
        "div",
        el("h3", f"{name.capitalize()}s"),
        table(headers, cells, numbers=len(headers) - 1),
        class_="card totals",
    )


def _cost(totals: TargetTotals) -> str:
    if not totals.unpriced:
        return dollars(totals.cost)
    return f"at least {dollars(totals.cost)}" if totals.cost else "unknown"


def _share(cost: float, whole: float) -> Html:
    share = cost / whole if whole else 0.0
    return share_bar([(share, "cost"), (1 - share, "rest")], f"{share:.0%} of the cost")


def latency(figures: BatchFigures) -> Html:
    """Return the percentiles of calls and of records."""
    if not figures.call_latency.count:
        return joined()
    rows = [
        ("All answers", figures.call_latency),
        ("Records, with retries and waits", figures.record_duration),
        *((f"Model {name}", totals.latency) for name, totals in sorted(figures.models.by_name.items())),
        *((f"Region {name}", totals.latency) for name, totals in sorted(figures.regions.by_name.items())),
    ]
    cells = [(_name(name), count(found.count), *_percentiles(found)) for name, found in rows if found.count]
    return el(
        "div",
        table(["Duration of", "Answers", "p50", "p95", "p99", "Longest"], cells, numbers=5),
        el(
            "p",
            "Half of the answers took at most p50, 95 % at most p95, 99 % at most p99. The percentiles are "
            "within 1 % of the measured durations.",
            class_="muted",
        ),
        class_="card totals",
    )


def _percentiles(found: LatencyHistogram) -> list[str]:
    return [duration(value) for value in found.summary().values() if value is not None]


def errors(figures: BatchFigures) -> Html:
    """Return the errors of failed records and failed calls, with the next step for each."""
    listed = sorted(figures.errors.by_name.items(), key=lambda item: (-item[1].records, -item[1].attempts))
    if not listed:
        return section("errors", "Errors", el("div", el("p", "No call failed."), class_="card"))
    rows = [
        (
            el("code", shortened(code, _MAX_ID)),
            count(totals.records),
            count(totals.attempts),
            next_step(code, totals.message),
            _example(totals),
        )
        for code, totals in listed
    ]
    headers = ["Error", "Failed records", "Failed calls", "Next step", "Example"]
    note = el(
        "p",
        "A failed call fails its record only if no retry and no other model or region answers. The failed "
        "records are in failed.jsonl, which can be submitted as a batch.",
        class_="muted",
    )
    return section("errors", "Errors", el("div", table(headers, rows, numbers=2), note, class_="card"))


def _example(totals: ErrorTotals) -> Html:
    if not totals.records:
        return el("span", "no record failed", class_="muted")
    return joined(el("bdi", shortened(totals.message, _MAX_MESSAGE)), el("br"), _ids(totals.record_ids))


def _ids(ids: Sequence[str]) -> Html:
    texts = [joined(el("bdi", shortened(id_, _MAX_ID)), ", " if id_ != ids[-1] else "") for id_ in ids]
    return el("span", *texts, class_="muted")


def rejected(figures: BatchFigures, total: int) -> Html:
    """Return the lines of the input that are not valid records."""
    if not total:
        return joined()
    rows = [
        (
            _place(line),
            joined(*(el("p", el("bdi", shortened(reason, _MAX_LINE))) for reason in _reasons(line))),
            el("code", el("bdi", shortened(line.get("text", "–"), _MAX_LINE))),
        )
        for line in figures.rejected
    ]
    more = _more(total - len(rows), "rejected.jsonl")
    return section(
        "rejected",
        "Rejected lines",
        el("div", table(["Line", "Reasons", "Text"], rows, more=more), class_="card"),
    )


def _place(line: Mapping[str, Any]) -> Html:
    """Return the number of a line, and the record and file if they are known."""
    names = [el("bdi", shortened(line[name], _MAX_ID)) for name in ("recordId", "file") if name in line]
    return joined(f"Line {count(line['line'])}", *(el("div", name, class_="muted detail") for name in names))


def _reasons(line: Mapping[str, Any]) -> Iterable[str]:
    yield from line["reasons"]
    if line["moreReasons"]:
        yield f"and {counted(line['moreReasons'], 'more reason')}"


def validation_failures(figures: BatchFigures) -> Html:
    """Return the rules that answers broke."""
    listed = sorted(figures.rules.by_name.items(), key=lambda item: -item[1].answers)
    if not listed:
        return joined()
    rows = [
        (shortened(rule, _MAX_MESSAGE), count(totals.answers), _ids(totals.record_ids))
        for rule, totals in listed
    ]
    note = el("p", "Each invalid answer was paid for and requested again.", class_="muted")
    return section(
        "validation",
        "Validation failures",
        el(
            "div",
            table(["Broken rule", "Invalid answers", "Records"], rows, numbers=1),
            note,
            class_="card totals",
        ),
    )


def samples(figures: BatchFigures) -> Html:
    """Return the sample answers."""
    if not figures.samples:
        return joined()
    answers = [
        el(
            "div",
            el("h3", el("bdi", sample.record_id), " ", el("span", sample.model, class_="muted")),
            el("pre", el("bdi", shortened(sample.text, MAX_SAMPLE_CHARACTERS) or "(no text)")),
            class_="card",
        )
        for sample in figures.samples
    ]
    return section("samples", "Sample answers", el("p", "Chosen at random.", class_="muted"), *answers)


def written_at(time: datetime) -> Html:
    """Return the end of the report."""
    return el(
        "footer",
        f"Written by LLMManager at {moment(time)}. Costs are estimates from list prices. Times are UTC. "
        "results.jsonl, failed.jsonl, rejected.jsonl and summary.json beside this file have every record.",
    )


def _name(name: str, *, empty: str = "–") -> Html:
    return el("span", "others, summed up" if name == OTHERS else shortened(name, _MAX_ID * 2) or empty)


def _more(number: int, file: str) -> str | None:
    return f"and {count(number)} more in {file}" if number > 0 else None
