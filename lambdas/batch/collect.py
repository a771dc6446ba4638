"""The last step of a batch: merge the results into two files with each record once, and write the summary
and the report.

If a record has several results, an answered one has precedence over a failed one, and an earlier one over a
later one. A record without a result was lost with its worker, or the batch ended before it was run. It
becomes a failed record, so that every record of the input is in exactly one of results.jsonl, failed.jsonl
and rejected.jsonl.
"""

from __future__ import annotations

import json
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from io import BytesIO
from itertools import islice
from typing import Any

from lambdas.batch.managed.job_files import read_jobs, summary_of_jobs, unknown_answers
from lambdas.batch.missed_usage import MissedUsage
from lambdas.batch.options import payer_members
from lambdas.batch.over_budget import is_over_budget
from lambdas.batch.storage import BatchStorage, ResultPart
from lambdas.contract import BatchObject, BatchStep
from lambdas.shared.clients import S3_CONNECTIONS
from lambdas.shared.function_log import logger
from llmmanager.batch_files.batch_totals import BatchTotals
from llmmanager.batch_files.results import ANSWERED, FAILED, missed_result, with_earlier
from llmmanager.batch_report.batch_figures import BatchFigures
from llmmanager.batch_report.limits import MAX_REJECTED
from llmmanager.batch_report.report_page import report_page
from llmmanager.json_format.json_text import dump_line

LOST = {
    "type": "RecordLost",
    "code": None,
    "message": "the worker of this record's shard failed before the record was finished",
}


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Return the summary of the batch whose `batchId` and `bucket` the plan has returned."""
    logger.append_keys(batch_id=event["batchId"])
    summary = collect(BatchStorage(event[BatchStep.BUCKET], event["batchId"]))
    logger.info("collected", extra={key: summary[key] for key in ("answered", "failed", "rejected")})
    return summary


def collect(storage: BatchStorage, *, interruption: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Write results.jsonl, failed.jsonl, report.html and summary.json. It can be repeated.

    Args:
        interruption: `status` and `reason` of an execution that was stopped, failed or timed out.
    """
    plan = storage.plan()
    options = storage.options()
    stop_reason = storage.stop_reason(options.run)
    totals = BatchTotals(figures=BatchFigures(samples=options.report_samples))
    usage = MissedUsage(storage.batch_id)
    over_budget = _write_results(
        storage, totals, usage=usage, missed=stop_reason or LOST, in_input_order=options.in_input_order
    )
    if interruption is None:
        # After an interruption, workers may still run. They count their usage when they end.
        usage.count()
    jobs = read_jobs(storage)
    totals.unknown_usage += unknown_answers(jobs)
    times = {"started_at": plan.started_at, "ended_at": datetime.now(UTC)}
    summary = totals.summary(storage.batch_id, rejected=plan.rejected, **times, stop_reason=stop_reason)
    summary |= {
        **payer_members(options.payer()),
        "overBudget": over_budget,
        "report": BatchObject.REPORT,
        **(interruption or {}),
    }
    if lanes := storage.lanes():
        summary["lanes"] = lanes
    if jobs:
        summary["jobs"] = summary_of_jobs(jobs)
    for line in islice(storage.rejected(), MAX_REJECTED if plan.rejected else 0):
        totals.figures.add_rejected(line)
    storage.put_report(report_page(summary, totals.figures))
    # Last, because a batch with a summary has all other files.
    storage.put_summary(summary)
    return summary


def _write_results(
    storage: BatchStorage,
    totals: BatchTotals,
    *,
    usage: MissedUsage,
    missed: dict[str, Any],
    in_input_order: bool,
) -> int:
    """Write results.jsonl and failed.jsonl, and add each record to the totals.

    Returns:
        The number of records that a budget did not allow.
    """
    over_budget = 0
    with (
        ThreadPoolExecutor(S3_CONNECTIONS) as pool,
        storage.writer(storage.output(BatchObject.RESULTS)) as results,
        storage.writer(storage.output(BatchObject.FAILED_RESULTS)) as failed,
    ):
        reader = _Reader(storage, pool, usage)
        for item in storage.manifest():
            parts = list(storage.parts(item["shard"]))
            shard = storage.read(item["key"])
            found = _shard_results(shard, parts, reader, missed=missed, totals=totals)
            for result in _in_order_of(shard, found) if in_input_order else found:
                totals.add(result)
                over_budget += is_over_budget(result)
                (results if result["status"] == ANSWERED else failed).write(dump_line(result))
    return over_budget


class _Reader:
    """Reads the parts of results in parallel, because a large batch has tens of thousands of small parts."""

    def __init__(self, storage: BatchStorage, pool: ThreadPoolExecutor, usage: MissedUsage) -> None:
        self._storage = storage
        self._pool = pool
        self._usage = usage

    def results(self, parts: Sequence[ResultPart]) -> Iterator[dict[str, Any]]:
        """Yield the results of parts, in order."""
        pending: deque[Future[bytes]] = deque()
        for part in parts:
            pending.append(self._pool.submit(self._read, part))
            if len(pending) == S3_CONNECTIONS:
                yield from _lines(pending.popleft().result())
        while pending:
            yield from _lines(pending.popleft().result())

    def _read(self, part: ResultPart) -> bytes:
        body, metadata = self._storage.read_part(part)
        self._usage.note(part, metadata)
        return body


def _shard_results(
    shard: bytes, parts: Sequence[ResultPart], reader: _Reader, *, missed: dict[str, Any], totals: BatchTotals
) -> Iterator[dict[str, Any]]:
    """Yield one result for each record of a shard, including the cost of its interrupted runs.

    Args:
        missed: the error of a record without a result.
        totals: gets the cost of other results of a record, which were paid for as well.
    """
    earlier = defaultdict(list)
    is_copy = _CopyCheck()
    for run in reader.results([part for part in parts if not part.answered and not part.failed]):
        if not is_copy(run):
            earlier[run["recordId"]].append(run)
    missing = {record["recordId"] for record in _lines(shard)}
    for status, with_status in (
        (ANSWERED, [part for part in parts if part.answered]),
        (FAILED, [part for part in parts if part.failed]),
    ):
        for result in reader.results(with_status):
            if result["status"] != status or is_copy(result):
                continue
            if result["recordId"] in missing:
                missing.remove(result["recordId"])
                yield with_earlier(result, earlier[result["recordId"]])
            else:
                totals.add_cost(result)
    for record in _lines(shard) if missing else ():
        if record["recordId"] in missing:
            yield with_earlier(missed_result(record, missed), earlier[record["recordId"]])


class _CopyCheck:
    """Finds copies of the answers of managed batch jobs, which are paid once.

    If the import of a job stops before it records its progress, or two invocations import a job at the same
    time, an answer can be in two parts.
    """

    def __init__(self) -> None:
        self._seen: set[tuple[str, str]] = set()

    def __call__(self, result: Mapping[str, Any]) -> bool:
        """Whether this answer of a job was seen before."""
        job = result.get("job")
        if job is None:
            return False
        answer = result["recordId"], job
        is_copy = answer in self._seen
        self._seen.add(answer)
        return is_copy


def _in_order_of(shard: bytes, results: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Return the results of a shard in the order of its records. All of them are in memory."""
    found = {result["recordId"]: result for result in results}
    return (found[record["recordId"]] for record in _lines(shard))


def _lines(body: bytes) -> Iterator[dict[str, Any]]:
    return map(json.loads, BytesIO(body))
