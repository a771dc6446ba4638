"""Claims of batches: an execution claims the batch id before its plan, so that only one runs at a time.

The batch of an execution does not follow from its name, but from its input (`batchId`) and from the claims,
which are files under `batches/{batchId}/runs/`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import ClientError

from lambdas.batch.storage import BATCH_ID, BatchStorage, Run
from lambdas.shared import clients

_UNKNOWN = {"ExecutionDoesNotExist", "InvalidArn"}


class BatchIsRunning(Exception):
    """Another execution runs the batch.

    Attributes:
        execution: the name of the execution.
    """

    def __init__(self, execution: str) -> None:
        super().__init__(execution)
        self.execution = execution


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


def claim(storage: BatchStorage, execution: str, *, is_running: Callable[[str], bool]) -> Run:
    """Claim the batch for an execution, unless another execution is running.

    A repeated claim of the same execution changes nothing.

    Args:
        is_running: whether the execution with a name is running.

    Raises:
        BatchIsRunning: another execution runs the batch.
    """
    while True:
        count, latest = storage.latest_run()
        if latest is not None and latest.execution == execution:
            return latest
        # A batch of an earlier version of the stack has no claim.
        other = latest.execution if latest is not None else storage.batch_id
        if other != execution and is_running(other):
            raise BatchIsRunning(other)
        run = Run(count + 1, execution)
        # Of two simultaneous claims, only one gets the number.
        if storage.add_run(run):
            return run
