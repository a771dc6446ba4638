"""The first step of a batch: read the input, validate every record, and write the shards for the workers."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from lambdas.batch.batch_input import Batch, InvalidBatch, read_batch
from lambdas.batch.execution import describe
from lambdas.batch.input_files import input_field, input_files, no_records
from lambdas.batch.lane_plan import LanePlan, earlier_jobs, plan_lanes, put_jobs
from lambdas.batch.object_writer import ObjectWriter
from lambdas.batch.quota_estimate import estimate
from lambdas.batch.quota_shares import quota_shares
from lambdas.batch.record_check import record_check
from lambdas.batch.record_intake import RecordIntake
from lambdas.batch.run_mode import LANE
from lambdas.batch.runs import BatchIsRunning, Run, claim, latest_run, mark_rejected
from lambdas.batch.s3_objects import ObjectMissing
from lambdas.batch.storage import BatchStorage, Plan, ResultPart
from lambdas.contract import BatchObject, BatchStep
from lambdas.shared.function_log import logger
from lambdas.shared.settings import batch_settings
from llmmanager.batch_files.records import Record, Rejected, read_files
from llmmanager.batch_lanes.lane import Lane
from llmmanager.json_format.json_text import dump_line

MAX_SHARD_BYTES = 32_000_000
# The first shards are small and later ones larger (see `_max_lines`), so that a small batch has several
# workers as well. The first size is the default number of parallel calls of a worker.
FIRST_SHARD_SIZE = 32
# The outputs of all shards, `{},` each, must fit into a state of Step Functions (256 KiB).
MAX_SHARDS = 80_000
# Number of parallel writes of shards while the next shard is read. Each has a shard in memory.
_WRITERS = 3
_LOGGED = ("records", "rejected", BatchStep.SHARD_COUNT)


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Plan the batch of an execution.

    Args:
        event: `{"executionName", "executionId", "input", "runsJobs"}`. Executions of an earlier version of
            the stack have no `executionId`, or no `runsJobs`.

    Returns:
        What the state machine runs. For a dry run, the estimate of each lane.

    Raises:
        InvalidBatch: the input is invalid, or another execution runs the batch.
    """
    batch = read_batch(
        event.get(BatchStep.INPUT), execution=event.get(BatchStep.EXECUTION_NAME), settings=batch_settings()
    )
    logger.append_keys(batch_id=batch.storage.batch_id)
    runs_jobs = event.get(BatchStep.RUNS_JOBS) is True
    if batch.options.dry_run:
        return dry_run(batch, shard_size=batch_settings().shard_size, runs_jobs=runs_jobs)
    run = _claim(batch, event.get(BatchStep.EXECUTION_ID))
    try:
        planned = plan(batch, shard_size=batch_settings().shard_size, runs_jobs=runs_jobs)
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


def plan(batch: Batch, *, shard_size: int, runs_jobs: bool) -> dict[str, Any]:
    """Write shards, rejected lines, lanes and manifest.

    The same input always results in the same shards. So a plan can be repeated, and a batch that is started
    again with the same id continues where it stopped.

    Args:
        runs_jobs: whether the execution can run managed batch jobs.

    Raises:
        InvalidBatch: the input cannot be read, has no records, or differs from the batch's earlier input, or
            no record can use the requested lane.
    """
    storage = batch.storage
    earlier = _earlier_plan(storage)
    earlier_sizes = [item["records"] for item in storage.manifest()] if earlier else []
    started_at = earlier.started_at if earlier else datetime.now(UTC)
    intake = RecordIntake(batch)
    manifest = []
    with storage.writer(BatchObject.REJECTED) as rejected, _background_writes() as write:
        shards = _shards(batch, intake, rejected, shard_size=shard_size, earlier_sizes=earlier_sizes)
        for shard, body in enumerate(shards):
            write(partial(_store_shard, storage, shard, b"".join(body), again=earlier is not None))
            manifest.append(_shard_item(batch, shard, records=len(body)))
        found = Plan(intake.records, intake.rejected, started_at)
        if earlier not in (None, found):
            raise _other_input(storage)
    lanes = plan_lanes(
        batch, intake, earlier_jobs=earlier_jobs(storage) if earlier else None, runs_jobs=runs_jobs
    )
    if lanes.uses_flex:
        manifest = [{**item, LANE: Lane.FLEX.value} for item in manifest]
    if batch.requests is not None:
        storage.put_input(batch.requests)
    storage.put_options(batch.options)
    storage.put_lanes(lanes.members)
    estimated = _quota_members(batch, intake)
    items = _with_quota_shares(manifest, storage.parts() if earlier else ())
    map_members = put_jobs(batch, lanes, intake, items)
    storage.put_manifest(items, replace(found, quota_estimate=estimated))
    return _output(batch, intake, estimated, lanes) | map_members


def dry_run(batch: Batch, *, shard_size: int, runs_jobs: bool) -> dict[str, Any]:
    """Validate the input and estimate each lane. Write rejected lines and lanes, but nothing else.

    Args:
        runs_jobs: whether the execution could run managed batch jobs.

    Raises:
        InvalidBatch: the input is invalid, or the batch was started before.
    """
    storage = batch.storage
    _, latest = latest_run(storage)
    is_claimed = latest is not None and not latest.rejected
    # A batch of an earlier version of the stack has no claim.
    if is_claimed or _earlier_plan(storage) is not None:
        raise InvalidBatch(f"dryRun: {storage.batch_id} was started before; use another batchId")
    intake = RecordIntake(batch)
    with storage.writer(BatchObject.REJECTED) as rejected:
        deque(_shards(batch, intake, rejected, shard_size=shard_size), maxlen=0)
    lanes = plan_lanes(batch, intake, earlier_jobs=None, runs_jobs=runs_jobs)
    storage.put_lanes(lanes.members)
    return _output(batch, intake, _quota_members(batch, intake), lanes) | {BatchStep.DRY_RUN: True}


def _shards(
    batch: Batch,
    intake: RecordIntake,
    rejected: ObjectWriter,
    *,
    shard_size: int,
    earlier_sizes: Sequence[int] = (),
) -> Iterator[list[bytes]]:
    """Yield the lines of each shard. Write the invalid lines to `rejected`, and count all of them.

    Raises:
        InvalidBatch: the input cannot be read, has no records, or too many.
    """
    options = batch.options
    check = record_check(
        options.payer(),
        batch_id=batch.storage.batch_id,
        has_output_schema=options.output_schema is not None,
    )
    lines = _valid_lines(read_files(input_files(batch), check=check), rejected, intake)
    shards = cut_shards(
        lines, shard_size=shard_size, spread=len(batch.targets.regions), earlier_sizes=earlier_sizes
    )
    for shard, body in enumerate(shards):
        if shard == MAX_SHARDS:
            raise _too_many_shards(batch, shard_size)
        intake.end_shard(len(body))
        yield body
    if not intake.records:
        raise no_records(batch)


def _quota_members(batch: Batch, intake: RecordIntake) -> dict[str, Any] | None:
    """Return the `quotaEstimate` of the batch, and log its warning."""
    estimated = estimate(intake.lanes, batch.targets, seconds_left=batch.options.seconds_left())
    if estimated and estimated.warning:
        logger.warning(estimated.warning)
    return estimated.to_members() if estimated else None


def _output(
    batch: Batch, intake: RecordIntake, quota_estimate: dict[str, Any] | None, lanes: LanePlan
) -> dict[str, Any]:
    """Return the output of the plan, without what the state machine runs."""
    return {
        "batchId": batch.storage.batch_id,
        BatchStep.BUCKET: batch.storage.bucket,
        "records": intake.records,
        "rejected": intake.rejected,
        "quotaEstimate": quota_estimate,
        "lanes": lanes.members,
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


def _too_many_shards(batch: Batch, shard_size: int) -> InvalidBatch:
    return InvalidBatch(
        f"{input_field(batch)}: more than {MAX_SHARDS} shards; "
        f"use fewer records, or increase the setting shard_size ({shard_size})"
    )


def _valid_lines(
    entries: Iterable[Record | Rejected], rejected: ObjectWriter, intake: RecordIntake
) -> Iterator[bytes]:
    """Yield the valid records as lines of a shard, write the others to `rejected`, and count all of them."""
    for entry in entries:
        intake.records += 1
        if isinstance(entry, Rejected):
            intake.rejected += 1
            rejected.write(dump_line(entry.to_json()))
        else:
            line = entry.to_line()
            intake.add(entry, line)
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
