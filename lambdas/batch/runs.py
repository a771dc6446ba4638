"""Runs of a batch: an execution claims the batch before its plan, so that only one runs at a time.

The batch of an execution does not follow from its name, but from its input (`batchId`) and from the claims,
which are files under `batches/{batchId}/runs/`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from lambdas.batch.s3_objects import list_keys, list_objects, put_new_object
from lambdas.batch.storage import BatchStorage
from lambdas.contract import BatchObject
from llmmanager.json_format.json_text import dump

# The member keeps its first name, because batches of earlier versions of the stack have it.
_REJECTED = "refused"


@dataclass(frozen=True, slots=True)
class Run:
    """An execution that has claimed the batch.

    Attributes:
        number: from 1 for the first.
        execution: its name.
        rejected: whether its plan rejected the input, so that it changed nothing.
    """

    number: int
    execution: str
    rejected: bool = False


class BatchIsRunning(Exception):
    """Another execution runs the batch.

    Attributes:
        execution: the name of the execution.
    """

    def __init__(self, execution: str) -> None:
        super().__init__(execution)
        self.execution = execution


def claim(storage: BatchStorage, execution: str, *, is_running: Callable[[str], bool]) -> Run:
    """Claim the batch for an execution, unless another execution is running.

    A repeated claim of the same execution changes nothing.

    Args:
        is_running: whether the execution with a name is running.

    Raises:
        BatchIsRunning: another execution runs the batch.
    """
    while True:
        count, latest = latest_run(storage)
        if latest is not None and latest.execution == execution:
            return latest
        # A batch of an earlier version of the stack has no claim.
        other = latest.execution if latest is not None else storage.batch_id
        if other != execution and is_running(other):
            raise BatchIsRunning(other)
        run = Run(count + 1, execution)
        # Of two simultaneous claims, only one gets the number.
        if put_new_object(storage.bucket, _key(storage, run), _encoded(run)):
            return run


def mark_rejected(storage: BatchStorage, run: Run) -> None:
    """Record that the plan of a run rejected its input."""
    storage.put(_key(storage, run), _encoded(replace(run, rejected=True)))


def latest_run(storage: BatchStorage) -> tuple[int, Run | None]:
    """Return the number of runs, and the last run that was not rejected, or else the last run."""
    prefix = storage.key(BatchObject.RUNS)
    keys = list(list_keys(storage.bucket, prefix))
    last: Run | None = None
    for key in reversed(keys):
        found = json.loads(storage.read(key))
        number = int(key.removeprefix(prefix).removesuffix(".json"))
        run = Run(number, found["execution"], rejected=found[_REJECTED])
        if not run.rejected:
            return len(keys), run
        last = last or run
    return len(keys), last


def run_started_at(storage: BatchStorage) -> datetime:
    """Return when the latest run claimed the batch (UTC)."""
    runs = list_objects(storage.bucket, storage.key(BatchObject.RUNS))
    started: datetime = max(listed["LastModified"] for listed in runs)
    return started


def _key(storage: BatchStorage, run: Run) -> str:
    return storage.key(f"{BatchObject.RUNS}{run.number:05d}.json")


def _encoded(run: Run) -> bytes:
    return dump({"execution": run.execution, _REJECTED: run.rejected})
