"""Writes the files of a batch from its journal, in the format of the deployed batch."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

from llmmanager.batch_files.batch_totals import BatchTotals
from llmmanager.batch_files.results import ANSWERED, INTERRUPTED, missed_result, with_earlier
from llmmanager.batch_report.report_page import report_page
from llmmanager.batch_run.input_records import BatchInputFile, InputCheck
from llmmanager.batch_run.journal import Journal
from llmmanager.json_format.codec import encode_record
from llmmanager.json_format.json_text import dump, dump_line

RESULTS, FAILED, REJECTED = "results.jsonl", "failed.jsonl", "rejected.jsonl"
SUMMARY, REPORT = "summary.json", "report.html"


def write_result_files(
    folder: Path,
    journal: Journal,
    source: BatchInputFile,
    checked: InputCheck,
    *,
    in_input_order: bool = False,
    stop_reason: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Write results, failed records, rejected lines, summary and report, and return the summary.

    A file replaces an earlier one when it is complete.

    Args:
        in_input_order: whether results have the order of the input, instead of the order of their end.
        stop_reason: the error of records without a result, if the batch ended early.

    Raises:
        OSError: a file cannot be read or written.
    """
    totals = BatchTotals()
    earlier = _interrupted_runs(journal, totals)
    with ExitStack() as stack:
        results, failed, rejected = (
            stack.enter_context(_Replaced(folder / name)) for name in (RESULTS, FAILED, REJECTED)
        )
        ordered = _in_input_order(journal, source) if in_input_order else _in_order_of_end(journal)
        for result in ordered:
            complete = with_earlier(result, earlier.pop(result["recordId"], ()))
            totals.add(complete)
            (results if result["status"] == ANSWERED else failed).write(dump_line(complete))
        for record in _missing(journal, source) if stop_reason else ():
            missed = missed_result(record, dict(stop_reason or {}))
            complete = with_earlier(missed, earlier.pop(record["recordId"], ()))
            totals.add(complete)
            failed.write(dump_line(complete))
        for line in checked.rejected:
            rejected.write(dump_line(line.to_json()))
            totals.figures.add_rejected(line.to_json())
    summary = totals.summary(
        source.path.stem,
        rejected=len(checked.rejected),
        started_at=journal.started_at,
        ended_at=journal.last_written_at(),
        stop_reason=stop_reason,
    )
    summary["report"] = REPORT
    for name, content in ((REPORT, report_page(summary, totals.figures)), (SUMMARY, dump(summary))):
        with _Replaced(folder / name) as file:
            file.write(content)
    return summary


class _Replaced:
    """A file that replaces an earlier one at the end of the block, unless the block raises."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._new = path.with_name(f".{path.name}.new")

    def __enter__(self) -> BinaryIO:
        self._file = self._new.open("wb")
        return self._file

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._file.close()
        if kind is None:
            os.replace(self._new, self._path)
        else:
            self._new.unlink()


def _interrupted_runs(journal: Journal, totals: BatchTotals) -> dict[str, list[dict[str, Any]]]:
    """Return the interrupted runs by record, and count the cost of results that others replaced."""
    earlier = defaultdict(list)
    for result, is_deciding in journal.results():
        if result["status"] == INTERRUPTED:
            earlier[result["recordId"]].append(result)
        elif not is_deciding:
            totals.add_cost(result)
    return earlier


def _in_order_of_end(journal: Journal) -> Iterator[dict[str, Any]]:
    return (result for result, is_deciding in journal.results() if is_deciding)


def _in_input_order(journal: Journal, source: BatchInputFile) -> Iterator[dict[str, Any]]:
    found = (journal.result(str(record.request.request_id)) for record in source.records())
    return (result for result in found if result is not None)


def _missing(journal: Journal, source: BatchInputFile) -> Iterator[dict[str, Any]]:
    for record in source.records():
        if record.request.request_id not in journal.statuses:
            yield encode_record(record.request)
