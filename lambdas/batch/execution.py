"""An execution of the batch state machine: how it is started, and its batch, status and reason of failure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from lambdas.contract import ENDED_STATUSES
from lambdas.shared import clients
from lambdas.shared.settings import batch_state_machine_arn
from llmmanager.json_format.json_text import dump

BATCH_ID = re.compile(r"[A-Za-z0-9_-]{1,80}")
RUNNING, SUCCEEDED = "running", "succeeded"
ESTIMATED = "estimated"
"""The status of a dry run that has succeeded."""

_UNKNOWN = {"ExecutionDoesNotExist", "InvalidArn"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """An execution of a batch.

    Attributes:
        status: as returned by `status_of`, or `ESTIMATED`.
        input: its input as JSON text.
        output: its output as JSON text; empty before a success.
        reason: the reason of a failure.
    """

    batch_id: str
    arn: str
    name: str
    status: str
    input: str
    output: str
    reason: str
    started_at: datetime

    @property
    def is_running(self) -> bool:
        """Whether the execution is running."""
        return self.status == RUNNING


def start_execution(name: str, data: Mapping[str, Any]) -> bool:
    """Start an execution with this input, and return whether its name was available.

    If an execution with the same name and input is running, Step Functions responds as if it had just
    started.
    """
    try:
        clients.step_functions().start_execution(
            stateMachineArn=batch_state_machine_arn(), name=name, input=dump(data).decode("utf-8")
        )
    except ClientError as error:
        if error.response["Error"]["Code"] != "ExecutionAlreadyExists":
            raise
        return False
    return True


def read_execution(name: str) -> Execution | None:
    """Return the execution with a name, or None if it does not exist or has expired."""
    described = describe(batch_state_machine_arn(), name)
    if described is None:
        return None
    status = status_of(described)
    return Execution(
        batch_id=batch_id_of(described),
        arn=described["executionArn"],
        name=name,
        status=ESTIMATED if status == SUCCEEDED and is_dry_run(described) else status,
        input=described.get("input", "{}"),
        output=described.get("output") or "",
        reason=reason_of(described),
        started_at=described["startDate"],
    )


def describe(machine_arn: str, name: str) -> dict[str, Any] | None:
    """Return the response of DescribeExecution, or None if the execution does not exist or has expired.

    Args:
        machine_arn: the ARN of the state machine, or of any of its executions.
    """
    machine = machine_arn.replace(":stateMachine:", ":execution:").split(":")[:7]
    try:
        found: dict[str, Any] = clients.step_functions().describe_execution(
            executionArn=":".join([*machine, name])
        )
    except ClientError as error:
        if error.response["Error"]["Code"] in _UNKNOWN:
            return None
        raise
    return found


def batch_id_of(execution: Mapping[str, Any]) -> str:
    """Return the id of the batch that an execution runs: `batchId` of its input, or else its name.

    Args:
        execution: a response of DescribeExecution, or the detail of an event with the execution's input.
    """
    try:
        id_ = json.loads(execution["input"])["batchId"]
    except (ValueError, TypeError, KeyError):
        id_ = None
    # The plan rejects an invalid id, and it must not become part of a key.
    usable = isinstance(id_, str) and BATCH_ID.fullmatch(id_)
    return id_ if usable else str(execution["name"])


def is_dry_run(execution: Mapping[str, Any]) -> bool:
    """Whether an execution only estimates its batch, so that it runs no records.

    Args:
        execution: as for `batch_id_of`.
    """
    try:
        return json.loads(execution["input"])["dryRun"] is True
    except (ValueError, TypeError, KeyError):
        return False


def status_of(execution: Mapping[str, Any]) -> str:
    """Return `running`, `succeeded`, `failed`, `timed_out` or `stopped`.

    Args:
        execution: a response of the Step Functions API, or the detail of an event.
    """
    return ENDED_STATUSES.get(execution["status"], RUNNING)


def reason_of(ended: Mapping[str, Any]) -> str:
    """Return why an execution did not succeed, without a stack trace.

    Args:
        ended: a response of DescribeExecution, or the detail of an event.
    """
    cause = ended.get("cause") or ended.get("error") or "no reason was given"
    try:
        # The failure of a function is JSON with a stack trace. Some exceptions have no message.
        failure = json.loads(cause)
        return str(failure["errorMessage"] or failure["errorType"])
    except (ValueError, TypeError, KeyError):
        return str(cause)
