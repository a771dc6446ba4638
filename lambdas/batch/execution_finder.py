"""Find the executions of a batch. Their names can differ from the batch id.

The name of an execution that the HTTP API starts is the batch id. The execution that resumes the batch has
the name `{batchId}--r2`, the next one `{batchId}--r3`, because Step Functions does not accept a name again
for 90 days. Executions that other clients start can have any name.

An execution writes a claim when its plan runs (`lambdas.batch.runs`), and is found by it. An execution that
has just started, or has ended before its plan ran, has no claim. It is found by its name, or among the
running and the newest executions.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import chain
from typing import Any

from lambdas.batch.execution import Execution, batch_id_of, describe, read_execution
from lambdas.batch.runs import latest_run
from lambdas.batch.storage import BatchStorage
from lambdas.shared import clients
from lambdas.shared.settings import batch_settings, batch_state_machine_arn

CONCURRENCY = 10

# Executions without a claim are among the newest ones, because the plan is the first step.
_MAX_LISTED = 100
_MAX_AGE_WITHOUT_CLAIM = timedelta(minutes=15)
_MAX_NAME = 80
_MAX_CACHED_IDS = 5_000


class ExecutionFinder:
    """Finds executions for one request. Lists of executions are cached."""

    def __init__(self) -> None:
        self._listed: dict[str | None, dict[str, list[str]]] = {}
        self._listing = threading.Lock()

    def latest(self, batch_id: str) -> Execution | None:
        """Return the execution that runs a batch, or else the last one, or None."""
        claimed = self._claimed(batch_id)
        if claimed is not None and claimed.is_running:
            return claimed
        found = self._found(batch_id, claimed)
        return max(found, key=lambda execution: (execution.is_running, execution.started_at), default=None)

    def running(self, batch_id: str) -> list[Execution]:
        """Return all running executions of a batch: one, and others that the plan will reject."""
        found = self._found(batch_id, self._claimed(batch_id))
        return list({execution.arn: execution for execution in found if execution.is_running}.values())

    def _found(self, batch_id: str, claimed: Execution | None) -> list[Execution]:
        """Return all executions of a batch that can be found, except those before the claimed one."""
        if claimed is not None:
            return [claimed, *self._with_status(batch_id, "RUNNING")]
        statuses = ("RUNNING", None)
        return [*_named(batch_id), *chain(*(self._with_status(batch_id, status) for status in statuses))]

    def _claimed(self, batch_id: str) -> Execution | None:
        _, run = latest_run(BatchStorage(batch_settings().bucket, batch_id))
        return None if run is None else read_execution(run.execution)

    def _with_status(self, batch_id: str, status: str | None) -> Iterator[Execution]:
        """Yield the newest executions of a batch, with this status or with any (None)."""
        with self._listing:
            if status not in self._listed:
                self._listed[status] = _names_by_batch(_newest(status))
        for name in self._listed[status].get(batch_id, ()):
            if execution := read_execution(name):
                yield execution


def batch_ids(listed: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the batch ids of listed executions, in the same order."""
    with ThreadPoolExecutor(CONCURRENCY) as pool:
        return list(pool.map(lambda item: _batch_id(item["name"]), listed))


def next_run_number(batch_id: str) -> int:
    """Return the number of the next run of a batch."""
    count, _ = latest_run(BatchStorage(batch_settings().bucket, batch_id))
    return 1 + (count or len(list(_named(batch_id))))


def resume_name(batch_id: str, number: int) -> str:
    """Return the name of the execution that resumes a batch as the run with this number."""
    end = f"--r{number}"
    return batch_id[: _MAX_NAME - len(end)] + end


def _named(batch_id: str) -> Iterator[Execution]:
    """Yield the executions of a batch whose names are derived from its id."""
    number = 1
    while execution := read_execution(batch_id if number == 1 else resume_name(batch_id, number)):
        if execution.batch_id == batch_id:
            yield execution
        number += 1


def _newest(status: str | None) -> list[dict[str, Any]]:
    """Return the newest executions in the list of Step Functions."""
    status_filter = {} if status is None else {"statusFilter": status}
    listed = clients.step_functions().list_executions(
        stateMachineArn=batch_state_machine_arn(), maxResults=_MAX_LISTED, **status_filter
    )
    executions: list[dict[str, Any]] = listed["executions"]
    if status is None:
        return executions
    # Older ones have a claim. Many batches can run for hours, and each would cost a DescribeExecution.
    return [item for item in executions if datetime.now(UTC) - item["startDate"] < _MAX_AGE_WITHOUT_CLAIM]


def _names_by_batch(listed: list[dict[str, Any]]) -> dict[str, list[str]]:
    names: dict[str, list[str]] = {}
    for item, batch_id in zip(listed, batch_ids(listed), strict=True):
        names.setdefault(batch_id, []).append(item["name"])
    return names


@lru_cache(_MAX_CACHED_IDS)
def _batch_id(name: str) -> str:
    """Return the batch id of an execution. It never changes, so it is cached."""
    described = describe(batch_state_machine_arn(), name)
    return name if described is None else batch_id_of(described)
