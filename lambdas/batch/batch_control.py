"""List, stop and resume batches."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from lambdas.batch.execution import BATCH_ID, ESTIMATED, SUCCEEDED, Execution, start_execution, status_of
from lambdas.batch.execution_finder import (
    CONCURRENCY,
    ExecutionFinder,
    batch_ids,
    next_run_number,
    resume_name,
)
from lambdas.batch.s3_objects import ObjectMissing
from lambdas.batch.storage import BatchStorage
from lambdas.shared import clients
from lambdas.shared.problems import Problem, not_found
from lambdas.shared.settings import batch_settings, batch_state_machine_arn
from llmmanager.json_format.codec import InvalidRequest

_BAD_TOKEN = {"InvalidToken", "ValidationException"}


@dataclass(frozen=True, slots=True)
class ListedBatch:
    """A batch in a list.

    Attributes:
        status: the status of its latest execution.
        started_at: when that execution started (UTC).
        ended_at: when it ended; None if it is running.
    """

    batch_id: str
    status: str
    started_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class BatchPage:
    """A part of the list of batches.

    Attributes:
        token: the token of the next page; None for the last page.
    """

    batches: tuple[ListedBatch, ...]
    token: str | None


def list_batches(*, limit: int, token: str | None) -> BatchPage:
    """Return a page of batches, in the order in which their latest executions started, newest first.

    A page can have fewer than `limit` batches, because executions that were resumed by a later one are
    left out.

    Args:
        token: the token of the page, from the page before it.

    Raises:
        InvalidRequest: the token is invalid.
    """
    page = {"nextToken": token} if token else {}
    try:
        listed = clients.step_functions().list_executions(
            stateMachineArn=batch_state_machine_arn(), maxResults=limit, **page
        )
    except ClientError as error:
        if token and error.response["Error"]["Code"] in _BAD_TOKEN:
            raise InvalidRequest(["nextToken: must be the nextToken of an earlier page"]) from None
        raise
    return BatchPage(_batches(listed["executions"]), listed.get("nextToken") or None)


def stop_batch(batch_id: str) -> None:
    """Stop a batch. Its results so far remain.

    Raises:
        Problem: the batch does not exist, or has ended in another way.
    """
    finder = ExecutionFinder()
    execution = _latest_execution(batch_id, finder)
    # Another execution may have been started for the batch, and would run when this one has stopped.
    running = finder.running(batch_id)
    for item in running:
        clients.step_functions().stop_execution(
            executionArn=item.arn, error="Stopped", cause="Stopped through the HTTP API"
        )
    if not running and execution.status != "stopped":
        raise Problem("batch-ended", f"Batch {batch_id} is not running. Its status is {execution.status}.")


def resume_batch(batch_id: str) -> None:
    """Resume a batch that was stopped, failed, timed out or ended early. Its results so far remain.

    Raises:
        Problem: the batch does not exist, is running or is complete.
    """
    execution = _latest_execution(batch_id, ExecutionFinder())
    has_ended = execution.status in (SUCCEEDED, ESTIMATED) and not _ended_early(batch_id)
    if execution.is_running or has_ended:
        raise Problem(
            "batch-not-resumable",
            f"Batch {batch_id} cannot be resumed. Its status is {execution.status}.",
        )
    data = {**json.loads(execution.input), "batchId": batch_id}
    number = next_run_number(batch_id)
    # An execution of another batch may have the name, or one that was just started to resume this batch.
    while not start_execution(resume_name(batch_id, number), data):
        if _latest_execution(batch_id, ExecutionFinder()).is_running:
            raise Problem("batch-not-resumable", f"Batch {batch_id} was resumed by another request.")
        number += 1


def _latest_execution(batch_id: str, finder: ExecutionFinder) -> Execution:
    execution = finder.latest(batch_id) if BATCH_ID.fullmatch(batch_id) else None
    if execution is None:
        raise not_found(f"batch {batch_id[:80]}")
    return execution


def _ended_early(batch_id: str) -> bool:
    """Whether a deadline or failures ended the batch before all of its records were run."""
    try:
        return bool(BatchStorage(batch_settings().bucket, batch_id).summary()["status"] == "stopped")
    except ObjectMissing:
        return False


def _batches(items: Sequence[Mapping[str, Any]]) -> tuple[ListedBatch, ...]:
    """Return the batches of listed executions. A batch is on the page of its latest execution only."""
    ids = batch_ids(items)
    finder = ExecutionFinder()
    with ThreadPoolExecutor(CONCURRENCY) as pool:
        latest = list(pool.map(finder.latest, ids))
    return tuple(
        ListedBatch(
            batch_id,
            execution.status if execution else status_of(item),
            item.get("startDate"),
            item.get("stopDate"),
        )
        for item, batch_id, execution in zip(items, ids, latest, strict=True)
        if execution is None or execution.arn == item["executionArn"]
    )
