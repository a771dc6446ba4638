"""The first step of a batch: read the input, validate every record, and write the shards for the workers."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from itertools import chain
from typing import Any

from botocore.exceptions import ClientError

from lambdas.batch.batch_input import Batch, InvalidBatch, read_batch
from lambdas.batch.execution import describe
from lambdas.batch.object_writer import ObjectWriter
from lambdas.batch.quota_estimate import QuotaNeed, estimate
from lambdas.batch.quota_shares import quota_shares
from lambdas.batch.record_check import record_check
from lambdas.batch.runs import BatchIsRunning, Run, claim, mark_rejected
from lambdas.batch.s3_objects import ObjectMissing, list_keys, stream_object
from lambdas.batch.storage import (
    BatchStorage,
    Plan,
    ResultPart,
)
from lambdas.contract import JSON_LINES_SUFFIX, BatchObject, BatchStep
from lambdas.shared.function_log import logger
from lambdas.shared.manager import model_ids
from lambdas.shared.settings import batch_settings
from llmmanager.batch_files.records import InputFile, Record, Rejected, read_files
from llmmanager.json_format.json_text import dump_line
from llmmanager.json_format.text_encoding import SIGNATURE_BYTES, unsupported_format

MAX_SHARD_BYTES = 32_000_000
# The first shards are small and later ones larger (see `_max_lines`), so that a small batch has several
# workers as well. The first size is the default number of parallel calls of a worker.
FIRST_SHARD_SIZE = 32
# The outputs of all shards, `{},` each, must fit into a state of Step Functions (256 KiB).
MAX_SHARDS = 80_000
# Number of parallel writes of shards while the next shard is read. Each has a shard in memory.
_WRITERS = 3
_LOGGED = ("records", "rejected", BatchStep.SHARD_COUNT)

# The last one is for an archived object.
_UNREADABLE = {"NoSuchKey", "NoSuchBucket", "AccessDenied", "403", "404", "InvalidObjectState"}


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Plan the batch of an execution.

    Args:
        event: `{"executionName", "executionId", "input"}`. Executions of an earlier version of the
            stack have no `executionId`.

    Returns:
        The input of the map over shards.

    Raises:
        InvalidBatch: the input is invalid, or another execution runs the batch.
    """
    batch = read_batch(
        event.get(BatchStep.INPUT), execution=event.get(BatchStep.EXECUTION_NAME), settings=batch_settings()
    )
    logger.append_keys(batch_id=batch.storage.batch_id)
    run = _claim(batch, event.get(BatchStep.EXECUTION_ID))
    try:
        planned = plan(batch, shard_size=batch_settings().shard_size)
    except InvalidBatch:
        # If the plan is repeated and the input has changed, the earlier plan remains valid.
        if not _is_planned_by(run, batch.storage):
            mark_rejected(batch.storage, run)
        raise
    logger.info("planned", extra={key: planned[key] for key in _LOGGED})
    return planned


def _claim(batch: Batch, execution_arn: str | None) -> Run:
    def is_running(execution: str) -> bool:
        described = describe(execution_arn, execution) if execution_arn else None
        return described is not None and described["status"] == "RUNNING"

    try:
        return claim(batch.storage, batch.options.run, is_running=is_running)
    except BatchIsRunning as error:
        raise InvalidBatch(
            f"batchId: the execution {error.execution} is running {batch.storage.batch_id}; "
            "stop it first, or wait until it has ended"
        ) from None


def _is_planned_by(run: Run, storage: BatchStorage) -> bool:
    try:
        return any(item["run"] == run.execution for item in storage.manifest())
    except ObjectMissing:
        return False


def plan(batch: Batch, *, shard_size: int) -> dict[str, Any]:
    """Write shards, rejected lines and manifest.

    The same input always results in the same objects. So a plan can be repeated, and a batch that is started
    again with the same id continues where it stopped.

    Raises:
        InvalidBatch: the input cannot be read, has no records, or differs from the batch's earlier input.
    """
    storage, targets = batch.storage, batch.targets
    earlier = _earlier_plan(storage)
    earlier_sizes = [item["records"] for item in storage.manifest()] if earlier else []
    started_at = earlier.started_at if earlier else datetime.now(UTC)
    counts = {"records": 0, "rejected": 0}
    manifest = []
    need = QuotaNeed(model_ids(targets)[0])
    with storage.writer(BatchObject.REJECTED) as rejected, _background_writes() as write:
        check = record_check(
            batch.options.payer(),
            batch_id=storage.batch_id,
            has_output_schema=batch.options.output_schema is not None,
        )
        lines = _valid_lines(read_files(_files(batch), check=check), rejected, counts, need)
        shards = cut_shards(
            lines, shard_size=shard_size, spread=len(targets.regions), earlier_sizes=earlier_sizes
        )
        for shard, body in enumerate(shards):
            write(partial(_store_shard, storage, shard, b"".join(body), again=earlier is not None))
            manifest.append(_shard_item(batch, shard, records=len(body)))
            if len(manifest) > MAX_SHARDS:
                raise _too_many_shards(batch, shard_size)
        found = Plan(counts["records"], counts["rejected"], started_at)
        if not found.records:
            raise _no_records(batch)
        if earlier not in (None, found):
            raise _other_input(storage)
    if batch.requests is not None:
        storage.put_input(batch.requests)
    storage.put_options(batch.options)
    estimated = estimate(need, targets, seconds_left=batch.options.seconds_left())
    if estimated and estimated.warning:
        logger.warning(estimated.warning)
    found = replace(found, quota_estimate=estimated.to_members() if estimated else None)
    storage.put_manifest(_with_quota_shares(manifest, storage.parts() if earlier else ()), found)
    return {
        "batchId": storage.batch_id,
        BatchStep.BUCKET: storage.bucket,
        BatchStep.MANIFEST_KEY: storage.key(BatchObject.MANIFEST),
        BatchStep.SHARD_COUNT: len(manifest),
        **counts,
        "quotaEstimate": found.quota_estimate,
    }


def _with_quota_shares(
    manifest: Sequence[Mapping[str, Any]], parts: Iterable[ResultPart]
) -> list[dict[str, Any]]:
    left = [item["records"] for item in manifest]
    for part in parts:
        left[part.shard] -= part.answered + part.failed
    shares = quota_shares(left, workers=batch_settings().map_concurrency)
    return [{**item, "quotaShare": share} for item, share in zip(manifest, shares, strict=True)]


def cut_shards(
    lines: Iterable[bytes], *, shard_size: int, spread: int, earlier_sizes: Sequence[int] = ()
) -> Iterator[list[bytes]]:
    """Yield the lines in shards of at most `shard_size` lines and `MAX_SHARD_BYTES`, but at least one line.

    Args:
        earlier_sizes: the sizes of the first shards, from an earlier plan. They override the other arguments.
    """
    shard: list[bytes] = []
    size = cut = 0
    for line in lines:
        room = earlier_sizes[cut] if cut < len(earlier_sizes) else _max_lines(cut, shard_size, spread)
        if shard and (len(shard) >= room or size + len(line) > MAX_SHARD_BYTES):
            yield shard
            shard, size, cut = [], 0, cut + 1
        shard.append(line)
        size += len(line)
    if shard:
        yield shard


def _max_lines(cut: int, shard_size: int, spread: int) -> int:
    """Return the maximum size of the next shard. Each round of `spread` shards is twice as large as the last.

    The number of records is unknown while the input is read. With growing shards, few records result in many
    small shards, and a million records in little more shards than necessary.
    """
    rounds = min(cut // spread, 30)
    return min(shard_size, FIRST_SHARD_SIZE << rounds)


def _files(batch: Batch) -> Iterator[InputFile]:
    """Yield the input files: one, or all under a prefix in the order of their keys."""
    models = model_ids(batch.targets)
    if batch.requests is not None:
        yield InputFile(map(dump_line, batch.requests), model_ids=models)
        return
    uri = f"s3://{batch.bucket}/{batch.key}"
    try:
        if not batch.is_folder:
            yield InputFile(_plain(batch, stream_object(batch.bucket, batch.key), uri), model_ids=models)
            return
        for key in list_keys(batch.bucket, batch.key):
            if key.endswith(JSON_LINES_SUFFIX):
                uri = f"s3://{batch.bucket}/{key}"
                chunks = _plain(batch, stream_object(batch.bucket, key), uri)
                yield InputFile(chunks, uri, f"{key.removeprefix(batch.key)}-", models)
    except ClientError as error:
        if error.response["Error"]["Code"] in _UNREADABLE:
            raise InvalidBatch(f"{_field(batch)}: {uri} does not exist or cannot be read") from None
        raise


def _plain(batch: Batch, chunks: Iterator[bytes], uri: str) -> Iterator[bytes]:
    """Return the chunks of a file. Raise InvalidBatch if it is compressed or not in UTF-8."""
    first = b""
    for chunk in chunks:
        first += chunk
        if len(first) >= SIGNATURE_BYTES:
            break
    if found := unsupported_format(first[:SIGNATURE_BYTES]):
        raise InvalidBatch(f"{_field(batch)}: {uri} is {found}; must be UTF-8 text that is not compressed")
    return chain([first], chunks)


def _field(batch: Batch) -> str:
    """Return the field with the location of the input."""
    return "prefix" if batch.is_folder else "inputS3Uri"


def _earlier_plan(storage: BatchStorage) -> Plan | None:
    try:
        return storage.plan()
    except ObjectMissing:
        return None


@contextmanager
def _background_writes() -> Iterator[Callable[[Callable[[], None]], None]]:
    """Yield a function that runs work on a few threads. A later call or the end raises its exceptions."""
    with ThreadPoolExecutor(_WRITERS) as pool:
        running: deque[Future[None]] = deque()

        def start(work: Callable[[], None]) -> None:
            if len(running) == _WRITERS:
                running.popleft().result()
            running.append(pool.submit(work))

        yield start
        while running:
            running.popleft().result()


def _store_shard(storage: BatchStorage, shard: int, body: bytes, *, again: bool) -> None:
    """Write a shard; if it exists, compare it, because results are matched to records only by their ids."""
    key = storage.shard_key(shard)
    if not again:
        storage.put(key, body)
        return
    try:
        same = storage.read(key) == body
    except ObjectMissing:
        same = False
    if not same:
        raise _other_input(storage)


def _other_input(storage: BatchStorage) -> InvalidBatch:
    return InvalidBatch(f"batchId: {storage.batch_id} has an earlier plan with another input; use a new id")


def _no_records(batch: Batch) -> InvalidBatch:
    files = " in .jsonl files" if batch.is_folder else ""
    return InvalidBatch(f"{_field(batch)}: s3://{batch.bucket}/{batch.key} has no records{files}")


def _too_many_shards(batch: Batch, shard_size: int) -> InvalidBatch:
    return InvalidBatch(
        f"{_field(batch)}: more than {MAX_SHARDS} shards; "
        f"use fewer records, or increase the setting shard_size ({shard_size})"
    )


def _valid_lines(
    entries: Iterable[Record | Rejected], rejected: ObjectWriter, counts: dict[str, int], need: QuotaNeed
) -> Iterator[bytes]:
    """Yield the valid records as lines of a shard, write the others to `rejected`, and count all of them."""
    for entry in entries:
        counts["records"] += 1
        if isinstance(entry, Rejected):
            counts["rejected"] += 1
            rejected.write(dump_line(entry.to_json()))
        else:
            line = entry.to_line()
            need.add(entry, line)
            yield line


def _shard_item(batch: Batch, shard: int, *, records: int) -> Mapping[str, Any]:
    storage, regions = batch.storage, batch.targets.regions
    first = shard % len(regions)
    return {
        "batchId": storage.batch_id,
        "run": batch.options.run,
        "bucket": storage.bucket,
        "shard": shard,
        "key": storage.shard_key(shard),
        "records": records,
        "models": list(batch.targets.models),
        "regions": [*regions[first:], *regions[:first]],
    }
