"""Handle the end of a batch's execution: stop its workers and jobs, publish the end on the event bus, and
write the files of a batch that was stopped, failed or timed out.

Stopping an execution does not stop its Lambda functions. They read the stop reason that is written here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from lambdas.batch.execution import RUNNING, batch_id_of, describe, is_dry_run, reason_of, status_of
from lambdas.batch.runs import latest_run
from lambdas.batch.s3_objects import ObjectMissing, list_keys
from lambdas.batch.storage import COUNTS, BatchStorage
from lambdas.contract import BatchObject, DetailType
from lambdas.shared import clients
from lambdas.shared.event_bus import publish
from lambdas.shared.function_log import logger
from lambdas.shared.settings import batch_settings


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], _context: object) -> None:
    """Handle EventBridge's event `Step Functions Execution Status Change` of an execution that has ended.

    Raises:
        NotPublished, ClientError: the event was not published. Lambda invokes the function again.
        JobsNotStopped: a job was not stopped. Lambda invokes the function again.
    """
    ended = event["detail"]
    run = ended["name"]
    execution = _with_input(ended)
    storage = BatchStorage(batch_settings().bucket, batch_id_of(execution))
    logger.append_keys(batch_id=storage.batch_id)
    if is_dry_run(execution):
        return
    # A function can still run after a success, too: the one whose retry has finished the batch.
    has_jobs = next(list_keys(storage.bucket, storage.key(BatchObject.JOB_ITEMS)), None) is not None
    if status_of(ended) != "succeeded" or has_jobs:
        _stop_workers(storage, run)
    try:
        if has_jobs:
            _stop_jobs(storage, run)
    finally:
        if not (storage.has_end_event(run) or _runs_elsewhere(storage, ended)):
            _publish_end(storage, ended)
    if status_of(ended) != "succeeded":
        # Imported here, since most batches succeed.
        from lambdas.batch.interrupted_batch import collect_interrupted

        # After the event, because a large batch can take longer than the function has.
        collect_interrupted(storage, run, status=status_of(ended), reason=reason_of(ended))


def _publish_end(storage: BatchStorage, ended: Mapping[str, Any]) -> None:
    succeeded = status_of(ended) == "succeeded"
    outcome = _summarized(storage) if succeeded else _interrupted(storage, ended)
    detail = {"batchId": storage.batch_id, "execution": ended["name"], **outcome}
    publish(DetailType.BATCH_FINISHED, json.dumps(detail))
    storage.put_end_event(ended["name"], detail)
    logger.info("batch finished", extra={"status": detail["status"]})


def _with_input(ended: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the execution with its input. EventBridge leaves a long input out of the event."""
    if ended.get("input") is not None:
        return ended
    described: dict[str, Any] = clients.step_functions().describe_execution(
        executionArn=ended["executionArn"]
    )
    return described


def _runs_elsewhere(storage: BatchStorage, ended: Mapping[str, Any]) -> bool:
    """Whether another execution runs the batch, so that this one was rejected and the batch continues."""
    _, latest = latest_run(storage)
    if latest is None or latest.execution == ended["name"]:
        return False
    other = describe(ended["executionArn"], latest.execution)
    return other is not None and status_of(other) == RUNNING


def _stop_workers(storage: BatchStorage, run: str) -> None:
    if storage.stop_reason(run) is None:
        message = "the batch's execution ended before the record was answered"
        storage.put_stop_reason(run, {"type": "ExecutionEnded", "code": None, "message": message})


def _stop_jobs(storage: BatchStorage, run: str) -> None:
    # Imported here, since few batches have jobs.
    from lambdas.batch.managed.job_stop import stop_open_jobs

    _, latest = latest_run(storage)
    is_latest = latest is None or latest.execution == run
    # A later execution continues with open jobs of earlier ones.
    stop_open_jobs(storage, run=None if is_latest else run)


def _summarized(storage: BatchStorage) -> dict[str, Any]:
    summary = storage.summary()
    reason = {"reason": summary["reason"]} if "reason" in summary else {}
    return {
        "status": summary["status"],
        **reason,
        "counts": {name: summary[name] for name in COUNTS},
        "estimatedCostUsd": summary["estimatedCostUsd"],
        # An earlier version of the stack writes no such member.
        "attemptsWithUnknownUsage": summary.get("attemptsWithUnknownUsage"),
        "results": storage.result_uris(summary),
    }


def _interrupted(storage: BatchStorage, ended: Mapping[str, Any]) -> dict[str, Any]:
    """Return the progress of the batch, without its cost, which would require reading all results."""
    return {
        "status": status_of(ended),
        "reason": reason_of(ended),
        "counts": _counts(storage),
        "estimatedCostUsd": None,
        "attemptsWithUnknownUsage": None,
        "results": None,
    }


def _counts(storage: BatchStorage) -> dict[str, int | None]:
    try:
        plan = storage.plan()
    except ObjectMissing:
        return dict.fromkeys(COUNTS)
    parts = list(storage.parts())
    answered, failed = sum(part.answered for part in parts), sum(part.failed for part in parts)
    return {"records": plan.records, "answered": answered, "failed": failed, "rejected": plan.rejected}
