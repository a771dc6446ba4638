"""Prints the lanes of a batch: an estimate of each, and which ones are chosen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llmmanager.cli.terminal import Terminal

_HEADINGS = (
    "lane",
    "usable by",
    "cost of all records",
    "longest time",
    "chosen for",
    "remark",
)


def print_lanes(lanes: Mapping[str, Any], terminal: Terminal) -> None:
    """Print a row for each lane, and why lanes are chosen.

    Args:
        lanes: the `lanes` of a batch, as the HTTP API returns them.
    """
    from llmmanager.batch_lanes.lane_text import remark, time_text
    from llmmanager.batch_report.number_formats import dollars

    rows = []
    for estimate in lanes["estimates"]:
        lane, records, usd = (estimate[name] for name in ("lane", "records", "estimatedCostUsd"))
        rows.append(
            [
                lane,
                f"{records:,}",
                dollars(usd) if records and usd is not None else None,
                time_text(estimate["estimatedSeconds"]) if records else None,
                f"{lanes['records'].get(lane, 0):,}",
                remark(estimate),
            ]
        )
    terminal.print_table(_HEADINGS, rows)
    terminal.print(lanes["explanation"])
