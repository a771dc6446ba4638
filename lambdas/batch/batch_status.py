"""The status of a batch, as `GET /v1/batches/{id}` returns it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from lambdas.batch.execution import BATCH_ID, ESTIMATED, RUNNING, SUCCEEDED, Execution
from lambdas.batch.execution_finder import ExecutionFinder
from lambdas.batch.managed.job_files import read_jobs
from lambdas.batch.options import Options, payer_members, read_options
from lambdas.batch.progress import read_progress
from lambdas.batch.s3_objects import ObjectMissing
from lambdas.batch.storage import COUNTS, BatchStorage, Plan
from lambdas.shared.problems import not_found
from lambdas.shared.settings import batch_settings
from llmmanager.json_format.codec import InvalidRequest


def read_status(batch_id: str) -> dict[str, Any]:
    """Return the status and progress of a batch, and the URIs of its results.

    The summary is read whenever no execution of the batch is running, because the files of a batch can be
    older than the 90 days for which Step Functions keeps an execution.

    Raises:
        Problem: the batch does not exist.
    """
    if not BATCH_ID.fullmatch(batch_id):
        raise not_found(f"batch {batch_id[:80]}")
    storage = BatchStorage(batch_settings().bucket, batch_id)
    execution = ExecutionFinder().latest(batch_id)
    status = execution.status if execution else None
    for found in _ended(storage, execution) if status != RUNNING else ():
        if (summary := _summary(found)) is not None:
            return _finished(found, summary)
    if execution is None:
        raise not_found(f"batch {batch_id}")
    options = _options(execution)
    return {
        "batchId": batch_id,
        "status": status,
        **({"dryRun": True} if options and options.dry_run else {}),
        **(payer_members(options.payer()) if options else {"caller": None, "team": None}),
        **(_estimated(execution) if status == ESTIMATED else _planned(storage, execution)),
        **({} if status in (RUNNING, SUCCEEDED, ESTIMATED) else {"error": execution.reason}),
    }


def _estimated(execution: Execution) -> dict[str, Any]:
    """Return what a dry run has found."""
    output = json.loads(execution.output)
    counts = {"records": output["records"], "answered": 0, "failed": 0, "rejected": output["rejected"]}
    return {"progress": counts, "quotaEstimate": output["quotaEstimate"], "lanes": output["lanes"]}


def _planned(storage: BatchStorage, execution: Execution) -> dict[str, Any]:
    """Return the progress of a batch without a summary."""
    plan, lanes = _plan(storage), storage.lanes()
    jobs = read_jobs(storage) if lanes and "jobs" in lanes else []
    return {
        "progress": _progress(storage, plan, execution),
        "quotaEstimate": plan.quota_estimate if plan else None,
        "lanes": lanes,
        **({"jobs": jobs} if jobs else {}),
    }


def _ended(storage: BatchStorage, execution: Execution | None) -> Iterator[BatchStorage]:
    """Yield where the summary can be. That of the last execution is newer than that of the batch."""
    if execution is not None and execution.status not in (SUCCEEDED, ESTIMATED):
        yield replace(storage, interrupted_run=execution.name)
    yield storage


def _options(execution: Execution) -> Options | None:
    """Return the options in the input of an execution, or None if it is invalid."""
    try:
        return read_options(json.loads(execution.input), run="")
    except (ValueError, TypeError, AttributeError, InvalidRequest):
        return None


def _summary(storage: BatchStorage) -> dict[str, Any] | None:
    try:
        return storage.summary()
    except ObjectMissing:
        return None


def _finished(storage: BatchStorage, summary: dict[str, Any]) -> dict[str, Any]:
    return {
        "batchId": storage.batch_id,
        "status": summary["status"],
        # A summary of an earlier version of the stack has no payer.
        "caller": summary.get("caller"),
        "team": summary.get("team"),
        "progress": {name: summary[name] for name in COUNTS},
        # A batch of an earlier version of the stack has no lanes.
        "lanes": summary.get("lanes"),
        "summary": summary,
        "results": storage.result_uris(summary),
        **({"error": summary["reason"]} if storage.interrupted_run else {}),
    }


def _plan(storage: BatchStorage) -> Plan | None:
    """Return what planning found; None before the plan."""
    try:
        return storage.plan()
    except ObjectMissing:
        return None


def _progress(storage: BatchStorage, plan: Plan | None, execution: Execution) -> dict[str, Any]:
    """Return the progress of the workers. Before the plan is written, the number of records is unknown."""
    if plan is None:
        return {"records": None, "answered": 0, "failed": 0, "rejected": None}
    now = datetime.now(UTC)
    run = execution.name if execution.is_running else None
    progress = read_progress(storage, plan, since=execution.started_at, now=now, run=run)
    return progress.to_json(now) if run else progress.counts()
