"""Write the report of a batch whose files are in a local folder."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

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
        ValueError: a file is not valid JSON, or not one of a batch.
    """
    with _valid("summary.json"):
        summary = json.loads((folder / "summary.json").read_bytes())
    figures = BatchFigures(samples=samples)
    for name in ("results.jsonl", "failed.jsonl"):
        for number, line in _lines(folder / name):
            with _valid(f"{name}:{number}"):
                figures.add(json.loads(line))
    for number, line in islice(_lines(folder / "rejected.jsonl"), MAX_REJECTED):
        with _valid(f"rejected.jsonl:{number}"):
            figures.add_rejected(json.loads(line))
    with _valid("summary.json"):
        page = report_page(summary, figures)
    report = folder / REPORT
    report.write_bytes(page)
    return report


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    if path.exists():
        with path.open("rb") as lines:
            yield from enumerate(lines, 1)


@contextmanager
def _valid(place: str) -> Iterator[None]:
    """Raise ValueError with the place if the block finds something else than what a batch writes there."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{place}: invalid: {error}") from error
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{place}: not written by a batch ({type(error).__name__}: {error})") from error
