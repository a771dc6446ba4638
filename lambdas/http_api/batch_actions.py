"""GET /v1/batches, POST /v1/batches/{id}/stop and POST /v1/batches/{id}/resume.

The name of an execution that this API starts is the batch id. The execution that resumes the batch has the
name `{batchId}--r2`, the next one `{batchId}--r3`, because Step Functions does not accept a name again for
90 days. Executions that other clients start can have any name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from lambdas.batch.storage import BATCH_ID, BatchStorage, ObjectMissing
from lambdas.http_api.batch_executions import (
    CONCURRENCY,
    Execution,
    Finder,
    batch_ids,
    next_number,
    resume_name,
    start_execution,
)
from lambdas.http_api.http_response import HttpResponse
from lambdas.shared import clients
from lambdas.shared.codec import InvalidRequest
from lambdas.shared.execution_end import status_of
from lambdas.shared.http_request import HttpRequest
from lambdas.shared.json_text import dump
from lambdas.shared.problems import Problem, not_found
from lambdas.shared.settings import batch_settings, batch_state_machine_arn

_BAD_TOKEN = {"InvalidToken", "ValidationException"}


def list_batches(request: HttpRequest) -> HttpResponse:
    """Return a page of batches, in the order in which their latest executions started, newest first.

    A page can have fewer than `limit` batches, because executions that were resumed by a later one are
    left out.

    Raises:
        InvalidRequest: `limit` or `nextToken` is invalid.
    """
    limit = request.page_limit()
    token = request.query("nextToken")
    page = {"nextToken": token} if token else {}
    try:
        listed = clients.step_functions().list_executions(
            stateMachineArn=batch_state_machine_arn(), maxResults=limit, **page
        )
    except ClientError as error:
        if token and error.response["Error"]["Code"] in _BAD_TOKEN:
            raise InvalidRequest(["nextToken: must be the nextToken of an earlier page"]) from None
        raise
    more = {"nextToken": listed["nextToken"]} if listed.get("nextToken") else {}
    return HttpResponse(200, {"batches": _batches(listed["executions"]), **more})


def stop(request: HttpRequest) -> HttpResponse:
    """Stop a batch. Its results so far remain.

    Raises:
        Problem: the batch does not exist, or has ended in another way.
    """
    batch_id = request.path_parameters["batchId"]
    finder = Finder()
    execution = _latest_execution(batch_id, finder)
    # Another execution may have been started for the batch, and would run when this one has stopped.
    running = finder.running(batch_id)
    for item in running:
        clients.step_functions().stop_execution(
            executionArn=item.arn, error="Stopped", cause="Stopped through the HTTP API"
        )
    if not running and execution.status != "stopped":
        raise Problem("batch-ended", f"Batch {batch_id} is not running. Its status is {execution.status}.")
    return HttpResponse(200, _status(batch_id, "stopped"))


def resume(request: HttpRequest) -> HttpResponse:
    """Resume a batch that was stopped, failed, timed out or ended early. Its results so far remain.

    Raises:
        Problem: the batch does not exist, is running or is complete.
    """
    batch_id = request.path_parameters["batchId"]
    execution = _latest_execution(batch_id, Finder())
    if execution.is_running or (execution.status == "succeeded" and not _ended_early(batch_id)):
        raise Problem(
            "batch-not-resumable",
            f"Batch {batch_id} cannot be resumed. Its status is {execution.status}.",
        )
    data = dump({**json.loads(execution.input), "batchId": batch_id}).decode("utf-8")
    number = next_number(batch_id)
    # An execution of another batch may have the name, or one that was just started to resume this batch.
    while not start_execution(resume_name(batch_id, number), data):
        if _latest_execution(batch_id, Finder()).is_running:
            raise Problem("batch-not-resumable", f"Batch {batch_id} was resumed by another request.")
        number += 1
    return HttpResponse(202, _status(batch_id, "running"))


def _latest_execution(batch_id: str, finder: Finder) -> Execution:
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


def _status(batch_id: str, status: str) -> dict[str, Any]:
    return {"batchId": batch_id, "status": status, "links": {"self": f"/v1/batches/{batch_id}"}}


def _batches(items: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the batches of listed executions. A batch is on the page of its latest execution only."""
    ids = batch_ids(items)
    finder = Finder()
    with ThreadPoolExecutor(CONCURRENCY) as pool:
        latest = list(pool.map(finder.latest, ids))
    return [
        {
            **_status(batch_id, status_of(item)),
            "startedAt": _timestamp(item.get("startDate")),
            "endedAt": _timestamp(item.get("stopDate")),
        }
        for item, batch_id, execution in zip(items, ids, latest, strict=True)
        if execution is None or execution.arn == item["executionArn"]
    ]


def _timestamp(value: datetime | None) -> str | None:
    return value.isoformat() if value is not None else None
