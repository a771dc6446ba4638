"""Plan the rest of a batch with jobs: the shards that have records without a result after the jobs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from lambdas.batch.job_ranges import JobRange
from lambdas.batch.managed.job_files import complete_shards
from lambdas.batch.managed.job_stop import JobsNotStopped, stop_open_jobs
from lambdas.batch.quota_shares import quota_shares
from lambdas.batch.run_mode import AFTER_JOBS, SKIPS_MANAGED
from lambdas.batch.storage import BatchStorage
from lambdas.contract import BatchObject, BatchStep
from lambdas.shared.function_log import logger
from lambdas.shared.settings import batch_settings
from llmmanager.json_format.json_text import dump


def plan_rest(planned: Mapping[str, Any]) -> dict[str, Any]:
    """Write the items of the shards that are left, and return the input of the map over them.

    Nothing else of the batch runs at this time, so each record that is left has one worker. After a stop of
    the batch, none is left.

    Args:
        planned: the output of the plan.
    """
    storage = BatchStorage(planned[BatchStep.BUCKET], planned["batchId"])
    _stop_abandoned_jobs(storage)
    is_stopped = storage.stop_reason(storage.options().run) is not None
    left = [] if is_stopped else list(_shards_left(storage))
    now = datetime.now(UTC).isoformat()
    shares = quota_shares([records for _, records in left], workers=batch_settings().map_concurrency)
    items = [
        {
            **{name: value for name, value in item.items() if name != SKIPS_MANAGED},
            "quotaShare": share,
            AFTER_JOBS: now,
        }
        for (item, _), share in zip(left, shares, strict=True)
    ]
    key = storage.key(BatchObject.REST)
    storage.put(key, dump(items))
    logger.info("rest planned", extra={BatchStep.SHARD_COUNT: len(items)})
    jobs = (BatchStep.JOBS_KEY, BatchStep.JOB_COUNT)
    return {
        **{name: value for name, value in planned.items() if name not in jobs},
        BatchStep.MANIFEST_KEY: key,
        BatchStep.SHARD_COUNT: len(items),
    }


def _stop_abandoned_jobs(storage: BatchStorage) -> None:
    """Stop jobs whose steps have failed again and again: their records run now."""
    try:
        stop_open_jobs(storage)
    except JobsNotStopped as error:
        # The end of the execution stops them, or fails visibly.
        logger.error("jobs not stopped", extra={"reason": str(error)})


def _shards_left(storage: BatchStorage) -> Iterator[tuple[dict[str, Any], int]]:
    """Yield the items of the shards that may have records without a result, each with their number.

    A record can have several results, of a job and of a worker, so that a shard with as many results as
    records can have records without one. For the shards of a job, the last step of the job has compared them.
    """
    results: dict[int, int] = {}
    for part in storage.parts():
        results[part.shard] = results.get(part.shard, 0) + part.answered + part.failed
    complete, covered = _shards_of_jobs(storage)
    for item in storage.manifest():
        shard, left = item["shard"], item["records"] - results.get(item["shard"], 0)
        if shard not in complete and (left or shard in covered):
            yield item, max(left, 0)


def _shards_of_jobs(storage: BatchStorage) -> tuple[frozenset[int], frozenset[int]]:
    """Return the shards of jobs that are complete, and all shards of jobs."""
    jobs = json.loads(storage.read(storage.key(BatchObject.JOB_ITEMS)))
    complete = [complete_shards(storage, job["job"]) for job in jobs]
    covered = [JobRange.from_members(job).shards for job in jobs]
    return frozenset().union(*complete), frozenset().union(*covered)
