"""The last step of a batch: all results in two files, each record once, and what it came to.

An answered result goes before a failed one of the same record, and an earlier one before a later. A record
that is in a shard and in none of its parts was lost with its worker, or the batch was ended before it was
run; it fails here, so that every record of the input is in exactly one of results.jsonl, failed.jsonl and
rejected.jsonl.
"""

from __future__ import annotations

import json
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

from lambdas.batch.results import ANSWERED, FAILED, missed_result, with_earlier
from lambdas.batch.storage import FAILED_RESULTS, RESULTS, BatchStorage, Part
from lambdas.batch.summary import Totals
from lambdas.shared.clients import S3_CONNECTIONS
from lambdas.shared.json_text import dump_line
from lambdas.shared.observability import logger

LOST = {
    "type": "RecordLost",
    "code": None,
    "message": "the worker of this record's shard failed before the record was finished",
}


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """What plan returned (`batchId` and `bucket` of it), to the summary of the batch."""
    logger.append_keys(batch_id=event["batchId"])
    summary = collect(BatchStorage(event["bucket"], event["batchId"]))
    logger.info("collected", extra={key: summary[key] for key in ("answered", "failed", "rejected")})
    return summary


def collect(storage: BatchStorage) -> dict[str, Any]:
    """Write results.jsonl, failed.jsonl and summary.json; doing it again writes the same."""
    plan = storage.plan()
    options = storage.options()
    early_end = storage.early_end(options.run)
    totals = Totals()
    with (
        ThreadPoolExecutor(S3_CONNECTIONS) as pool,
        storage.writer(RESULTS) as results,
        storage.writer(FAILED_RESULTS) as failed,
    ):
        reader = _Reader(storage, pool)
        for item in storage.manifest():
            parts = list(storage.parts(item["shard"]))
            shard = storage.read(item["key"])
            found = _shard_results(shard, parts, reader, missed=early_end or LOST, totals=totals)
            for result in _in_order_of(shard, found) if options.in_input_order else found:
                totals.add(result)
                (results if result["status"] == ANSWERED else failed).write(dump_line(result))
    summary = totals.summary(storage.batch_id, plan, ended_at=datetime.now(UTC), early_end=early_end)
    storage.put_summary(summary)
    return summary


class _Reader:
    """Reads results part by part, some parts ahead: a large batch has tens of thousands of small ones."""

    def __init__(self, storage: BatchStorage, pool: ThreadPoolExecutor) -> None:
        self._storage = storage
        self._pool = pool

    def results(self, parts: Sequence[Part]) -> Iterator[dict[str, Any]]:
        """All results of some parts, in order."""
        coming: deque[Future[bytes]] = deque()
        for part in parts:
            coming.append(self._pool.submit(self._storage.read, part.key))
            if len(coming) == S3_CONNECTIONS:
                yield from _lines(coming.popleft().result())
        while coming:
            yield from _lines(coming.popleft().result())


def _shard_results(
    shard: bytes, parts: Sequence[Part], reader: _Reader, *, missed: dict[str, Any], totals: Totals
) -> Iterator[dict[str, Any]]:
    """One result for each record of a shard, with what its interrupted runs have cost.

    Args:
        missed: the error of a record that is in no part.
        totals: what further results of a record have cost is added to it: they were paid for as well.
    """
    earlier = defaultdict(list)
    for run in reader.results([part for part in parts if not part.answered and not part.failed]):
        earlier[run["recordId"]].append(run)
    missing = {record["recordId"] for record in _lines(shard)}
    for status, holding in (
        (ANSWERED, [part for part in parts if part.answered]),
        (FAILED, [part for part in parts if part.failed]),
    ):
        for result in reader.results(holding):
            if result["status"] != status:
                continue
            if result["recordId"] in missing:
                missing.remove(result["recordId"])
                yield with_earlier(result, earlier[result["recordId"]])
            else:
                totals.add_cost(result)
    for record in _lines(shard) if missing else ():
        if record["recordId"] in missing:
            yield with_earlier(missed_result(record, missed), earlier[record["recordId"]])


def _in_order_of(shard: bytes, results: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The results of a shard in the order of its records; holds them all."""
    found = {result["recordId"]: result for result in results}
    return (found[record["recordId"]] for record in _lines(shard))


def _lines(body: bytes) -> Iterator[dict[str, Any]]:
    return map(json.loads, BytesIO(body))
