"""The executions that run batches: found, listed, stopped, taken up again.

A batch's first execution has the batch's id for its name. Step Functions remembers a name for 90 days, so the
execution that takes it up again is called `{batchId}--r2`, the one after that `{batchId}--r3`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from lambdas.batch.storage import BATCH_ID, BatchStorage, NotThere
from lambdas.http_api.calls import Answer, Call
from lambdas.shared import clients
from lambdas.shared.codec import InvalidRequest
from lambdas.shared.execution_end import reason_of, status_of
from lambdas.shared.json_text import dump
from lambdas.shared.problems import Problem, not_found
from lambdas.shared.settings import batch_settings, batch_state_machine_arn

MAX_LISTED = 100
MAX_RESUMES = 50

_RESUMED = re.compile(r"(.+)--r(\d{1,2})", re.ASCII)
_LOOKS_AT_ONCE = 10
_MAX_NAME = 80
_UNKNOWN = {"ExecutionDoesNotExist", "InvalidArn"}
_BAD_TOKEN = {"InvalidToken", "ValidationException"}


@dataclass(frozen=True)
class Execution:
    """One run of a batch.

    Attributes:
        number: 1 for the first.
        status: running, succeeded, failed, stopped or timed_out.
        reason: why it failed.
    """

    batch_id: str
    arn: str
    number: int
    status: str
    input: str
    reason: str


def latest(batch_id: str) -> Execution | None:
    """The newest execution of a batch; None where none is remembered."""
    found = None
    for number in range(1, MAX_RESUMES + 1):
        described = _described(batch_id, number)
        if described is None:
            return found
        found = Execution(
            batch_id,
            described["executionArn"],
            number,
            status_of(described),
            described.get("input", "{}"),
            reason_of(described),
        )
    return found


def recent(call: Call) -> Answer:
    """The batches whose newest execution started last, newest first.

    A page may hold fewer than `limit`: what a newer execution took up again is left out of it.

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
    execution = _known(batch_id)
    if execution.status == "running":
        clients.step_functions().stop_execution(
            executionArn=execution.arn, error="Stopped", cause="Stopped through the HTTP API"
        )
    elif execution.status != "stopped":
        raise Problem(409, "batch-ended", f"Batch {batch_id} is not running: it has {execution.status}.")
    return Answer(200, _about(batch_id, "stopped"))


def resume(batch_id: str) -> Answer:
    """Take up a batch that was stopped, failed, timed out or ended early; what is answered stays.

    Raises:
        Problem: there is no such batch, or nothing to take up.
    """
    execution = _known(batch_id)
    if execution.status == "running" or (execution.status == "succeeded" and not _ended_early(batch_id)):
        raise Problem(409, "batch-not-resumable", f"Batch {batch_id} is {execution.status}.")
    name = _name(batch_id, execution.number + 1)
    if len(name) > _MAX_NAME or execution.number >= MAX_RESUMES:
        raise Problem(409, "batch-not-resumable", f"Batch {batch_id} has no name left for another execution.")
    data = {**json.loads(execution.input), "batchId": batch_id}
    try:
        clients.step_functions().start_execution(
            stateMachineArn=batch_state_machine_arn(), name=name, input=dump(data).decode("utf-8")
        )
    except ClientError as error:
        if error.response["Error"]["Code"] != "ExecutionAlreadyExists":
            raise
        raise Problem(409, "batch-not-resumable", f"Batch {batch_id} was just taken up again.") from None
    return Answer(202, _about(batch_id, "running"))


def _known(batch_id: str) -> Execution:
    execution = latest(batch_id) if BATCH_ID.fullmatch(batch_id) else None
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


def _name(batch_id: str, number: int) -> str:
    return batch_id if number == 1 else f"{batch_id}--r{number}"


def _of_batch(name: str) -> tuple[str, int]:
    """The batch that an execution of this name runs, and the how manieth of its executions it is."""
    resumed = _RESUMED.fullmatch(name)
    return (resumed[1], int(resumed[2])) if resumed else (name, 1)


def _described(batch_id: str, number: int) -> dict[str, Any] | None:
    name = _name(batch_id, number)
    arn = batch_state_machine_arn().replace(":stateMachine:", ":execution:") + f":{name}"
    if len(name) > _MAX_NAME:
        return None
    try:
        found: dict[str, Any] = clients.step_functions().describe_execution(executionArn=arn)
    except ClientError as error:
        if error.response["Error"]["Code"] in _UNKNOWN:
            return None
        raise
    return found


def _listed(items: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Executions as batches, without those that a newer one, on this page or one before, took up again."""
    names = {item["name"] for item in items}

    def is_newest(item: Mapping[str, Any]) -> bool:
        batch_id, number = _of_batch(item["name"])
        if item["status"] == "RUNNING":
            return True
        return _name(batch_id, number + 1) not in names and _described(batch_id, number + 1) is None

    with ThreadPoolExecutor(_LOOKS_AT_ONCE) as pool:
        newest = list(pool.map(is_newest, items))
    return [
        {
            **_about(_of_batch(item["name"])[0], status_of(item)),
            "startedAt": _time(item.get("startDate")),
            "endedAt": _time(item.get("stopDate")),
        }
        for item, is_kept in zip(items, newest, strict=True)
        if is_kept
    ]


def _time(value: datetime | None) -> str | None:
    return value.isoformat() if value is not None else None
