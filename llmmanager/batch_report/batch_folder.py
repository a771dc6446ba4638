"""Write the report of a batch whose files are in a local folder."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from llmmanager.batch_report.batch_figures import BatchFigures
from llmmanager.batch_report.limits import MAX_REJECTED
from llmmanager.batch_report.report_page import report_page

REPORT = "report.html"


def write_report(folder: Path, *, samples: int = 0) -> Path:
    """Write report.html from summary.json, results.jsonl, failed.jsonl and rejected.jsonl.

    One line of a file is in memory at a time. A file of results that does not exist counts as empty.

    Args:
        samples: number of answers to show, at most `MAX_SAMPLES`.

    Returns:
        The path of the report.

    Raises:
        OSError: summary.json is missing, or a file cannot be read or written.
        ValueError: a file is not valid JSON.
    """
    summary = json.loads((folder / "summary.json").read_bytes())
    figures = BatchFigures(samples=samples)
    for name in ("results.jsonl", "failed.jsonl"):
        for result in _lines(folder / name):
            figures.add(result)
    for line in islice(_lines(folder / "rejected.jsonl"), MAX_REJECTED):
        figures.add_rejected(line)
    report = folder / REPORT
    report.write_bytes(report_page(summary, figures))
    return report


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    if path.exists():
        with path.open("rb") as lines:
            yield from map(json.loads, lines)
