"""List, stop and resume batches.

An execution that this API starts is called after its batch. The one that resumes it is called
`{batchId}--r2`, the next one `{batchId}--r3`, for Step Functions remembers a name for 90 days. Executions
that others start may have any name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from lambdas.batch.storage import BATCH_ID, BatchStorage, NotThere
from lambdas.http_api.batch_executions import (
    LOOKS_AT_ONCE,
    Execution,
    Finder,
    batch_ids,
    next_number,
    resume_name,
    start_execution,
)
from lambdas.http_api.calls import Answer, Call
from lambdas.shared import clients
from lambdas.shared.codec import InvalidRequest
from lambdas.shared.execution_end import status_of
from lambdas.shared.json_text import dump
from lambdas.shared.problems import Problem, not_found
from lambdas.shared.settings import batch_settings, batch_state_machine_arn

MAX_LISTED = 100

_BAD_TOKEN = {"InvalidToken", "ValidationException"}


def recent(call: Call) -> Answer:
    """The batches whose newest execution started last, newest first.

    A page may hold fewer than `limit`: executions that a newer one has resumed are left out.

    Raises:
        InvalidRequest: `limit` or `nextToken` is wrong.
    """
    limit = call.query("limit") or "20"
    if not re.fullmatch(r"\d{1,3}", limit, re.ASCII) or not 1 <= int(limit) <= MAX_LISTED:
        raise InvalidRequest([f"limit: must be an integer from 1 to {MAX_LISTED}"])
    token = call.query("nextToken")
    page = {"nextToken": token} if token else {}
    try:
        listed = clients.step_functions().list_executions(
            stateMachineArn=batch_state_machine_arn(), maxResults=int(limit), **page
        )
    except ClientError as error:
        if token and error.response["Error"]["Code"] in _BAD_TOKEN:
            raise InvalidRequest(["nextToken: must be one that this list gave"]) from None
        raise
    more = {"nextToken": listed["nextToken"]} if listed.get("nextToken") else {}
    return Answer(200, {"batches": _listed(listed["executions"]), **more})


def stop(batch_id: str) -> Answer:
    """Stop a batch; what is answered stays.

    Raises:
        Problem: there is no such batch, or it has ended otherwise.
    """
    finder = Finder()
    execution = _known(batch_id, finder)
    # Another one may have been started under the batch's id, and would run when this one has stopped.
    running = finder.running(batch_id)
    for each in running:
        clients.step_functions().stop_execution(
            executionArn=each.arn, error="Stopped", cause="Stopped through the HTTP API"
        )
    if not running and execution.status != "stopped":
        raise Problem(409, "batch-ended", f"Batch {batch_id} is not running: it has {execution.status}.")
    return Answer(200, _about(batch_id, "stopped"))


def resume(batch_id: str) -> Answer:
    """Resume a batch that was stopped, failed, timed out or ended early; what is answered stays.

    Raises:
        Problem: there is no such batch, or nothing to resume.
    """
    execution = _known(batch_id, Finder())
    if execution.is_running or (execution.status == "succeeded" and not _ended_early(batch_id)):
        raise Problem(409, "batch-not-resumable", f"Batch {batch_id} is {execution.status}.")
    data = dump({**json.loads(execution.input), "batchId": batch_id}).decode("utf-8")
    number = next_number(batch_id)
    # A name may be taken, by an execution of another batch, or by one that resumes this batch since a moment.
    while not start_execution(resume_name(batch_id, number), data):
        if _known(batch_id, Finder()).is_running:
            raise Problem(409, "batch-not-resumable", f"Batch {batch_id} was just resumed.")
        number += 1
    return Answer(202, _about(batch_id, "running"))


def _known(batch_id: str, finder: Finder) -> Execution:
    execution = finder.latest(batch_id) if BATCH_ID.fullmatch(batch_id) else None
    if execution is None:
        raise not_found(f"batch {batch_id[:80]}")
    return execution


def _ended_early(batch_id: str) -> bool:
    """Whether a deadline or failures ended the batch before all its records were run."""
    try:
        return bool(BatchStorage(batch_settings().bucket, batch_id).summary()["status"] == "stopped")
    except NotThere:
        return False


def _about(batch_id: str, status: str) -> dict[str, Any]:
    return {"batchId": batch_id, "status": status, "links": {"self": f"/v1/batches/{batch_id}"}}


def _listed(items: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Executions as batches, each batch once: with the execution that runs it, or ran it last."""
    ids = batch_ids(items)
    finder = Finder()
    with ThreadPoolExecutor(LOOKS_AT_ONCE) as pool:
        latest = list(pool.map(finder.latest, ids))
    return [
        {
            **_about(batch_id, status_of(item)),
            "startedAt": _time(item.get("startDate")),
            "endedAt": _time(item.get("stopDate")),
        }
        for item, batch_id, execution in zip(items, ids, latest, strict=True)
        if execution is None or execution.arn == item["executionArn"]
    ]


def _time(value: datetime | None) -> str | None:
    return value.isoformat() if value is not None else None
