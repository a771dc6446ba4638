"""The section of the report about lanes: how the records ran, and what that and the prompt cache saved."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from llmmanager.batch_lanes.lane import Lane
from llmmanager.batch_lanes.lane_text import WHERE, remark, time_text
from llmmanager.batch_report.html_elements import Html, el, joined, shortened
from llmmanager.batch_report.number_formats import count, counted, dollars, short_count
from llmmanager.batch_report.tables import table

_NAMES = {"onDemand": "On demand", "flex": "Flex tier", "managed": "Managed batch jobs"}
_MAX_TEXT = 1_000
Summary = Mapping[str, Any]


def lane_section(summary: Summary) -> Html:
    """Return the section, or nothing for a batch that ran on demand without a choice and without a cache."""
    plan, by_lane = summary.get("lanes") or {}, summary.get("byLane") or {}
    cache = summary.get("cache") or {}
    cards = [
        _results(summary) if plan or by_lane.keys() - {"onDemand"} else None,
        _estimates(plan) if plan.get("estimates") else None,
        _cache(cache) if cache.get("readTokens") or cache.get("writeTokens") else None,
    ]
    shown = [card for card in cards if card is not None]
    return el("section", el("h2", "Lanes and savings", id="lanes"), *shown) if shown else joined()


def savings(summary: Summary) -> Iterator[str]:
    """Yield what the lanes and the prompt cache saved, for the first screen."""
    lanes = sum(totals.get("savedUsd") or 0.0 for totals in (summary.get("byLane") or {}).values())
    if lanes > 0:
        cost = summary["estimatedCostUsd"] or 0.0
        yield f"Lanes saved {dollars(lanes)}: {100 * lanes / (lanes + cost):.0f} % less than on demand"
    cache = (summary.get("cache") or {}).get("savedUsd") or 0.0
    if cache > 0:
        yield f"The prompt cache saved {dollars(cache)}"


def left_by_lanes(summary: Summary) -> str | None:
    """Return how many records have no answer in the lane that the plan chose; None if all have one."""
    planned, by_lane = (summary.get("lanes") or {}).get("records") or {}, summary.get("byLane") or {}
    left = []
    for lane in (Lane.FLEX, Lane.MANAGED):
        records = planned.get(lane, 0)
        missing = records - by_lane.get(lane, {}).get("answered", 0)
        if missing > 0:
            left.append(f"{missing:,} of {counted(records, 'record')} {WHERE[lane]}")
    return f"Not answered in the lane that was planned: {', '.join(left)}." if left else None


def _results(summary: Summary) -> Html:
    by_lane, jobs = summary.get("byLane") or {}, summary.get("jobs")
    rows = [
        (
            name,
            count(by_lane[lane]["answered"]),
            _usd(by_lane[lane]["estimatedCostUsd"]),
            "–" if lane == "onDemand" else _usd(by_lane[lane]["savedUsd"]),
        )
        for lane, name in _NAMES.items()
        if lane in by_lane
    ]
    headers = ["Lane", "Answers", "Cost", "Saved"]
    note = el(
        "p",
        "Saved is the price of the same tokens on demand, minus the cost.",
        class_="muted",
    )
    return el(
        "div",
        el("h3", "Answers by lane"),
        table(headers, rows, numbers=3),
        note,
        el("p", left) if (left := left_by_lanes(summary)) else joined(),
        _jobs(jobs) if jobs else joined(),
        class_="card totals",
    )


def _jobs(jobs: Mapping[str, Any]) -> Html:
    """Return how the managed batch jobs ended, and why some did not answer all of their records."""
    statuses = ", ".join(f"{count(number)} {status}" for status, number in jobs["statuses"].items())
    text = f"{counted(jobs['number'], 'managed batch job')}: {statuses}"
    reasons = [el("li", el("bdi", shortened(reason, _MAX_TEXT))) for reason in jobs["reasons"]]
    return joined(el("p", el("bdi", shortened(text, _MAX_TEXT))), el("ul", *reasons) if reasons else "")


def _estimates(plan: Mapping[str, Any]) -> Html:
    """Return what the plan of the batch estimated, and why it chose the lanes."""
    chosen = plan.get("records") or {}
    rows = [
        (
            _NAMES.get(estimate["lane"], shortened(estimate["lane"], 40)),
            count(chosen.get(estimate["lane"], 0)),
            count(estimate["records"]),
            _usd(estimate["estimatedCostUsd"]) if estimate["records"] else "–",
            time_text(estimate["estimatedSeconds"]) if estimate["records"] else "–",
            el("bdi", shortened(remark(estimate) or "–", _MAX_TEXT)),
        )
        for estimate in plan["estimates"]
    ]
    headers = [
        "Lane",
        "Chosen for",
        "Usable by",
        "Cost of all records",
        "Longest time",
        "Remark",
    ]
    return el(
        "div",
        el("h3", "Estimate before the start"),
        el("p", el("bdi", shortened(plan.get("explanation") or "", _MAX_TEXT))),
        table(headers, rows, numbers=4),
        class_="card",
    )


def _cache(cache: Mapping[str, Any]) -> Html:
    row = (
        "Prompt cache",
        short_count(cache["readTokens"]),
        short_count(cache["writeTokens"]),
        _usd(cache["savedUsd"]),
    )
    note = el(
        "p",
        "Saved is the price of the cached tokens without the cache, minus their price. It is negative if "
        "writing to the cache cost more than reading from it saved.",
        class_="muted",
    )
    headers = ["Cache", "Tokens read", "Tokens written", "Saved"]
    return el("div", el("h3", "Prompt cache"), table(headers, [row], numbers=3), note, class_="card totals")


def _usd(usd: float | None) -> str:
    if usd is None:
        return "unknown"
    return f"−{dollars(-usd)}" if usd < 0 else dollars(usd)
