"""Write the results, the summary and the report of a batch whose execution was stopped, failed or timed out.

They are in a folder of the execution, so they never replace the files of an execution that resumes the batch.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from lambdas.batch.collect import collect
from lambdas.batch.parts import PART_SECONDS
from lambdas.batch.runs import latest_run
from lambdas.batch.s3_objects import ObjectMissing
from lambdas.batch.stop_signal import CHECK_SECONDS
from lambdas.batch.storage import BatchStorage
from lambdas.shared.function_log import logger

# A worker that has no call in progress has ended by then.
QUIET_SECONDS = CHECK_SECONDS + 2 * PART_SECONDS
_MAX_CHECKS = 40


def collect_interrupted(storage: BatchStorage, run: str, *, status: str, reason: str) -> None:
    """Write the files of a batch at the end of an execution, unless another one has resumed it.

    Args:
        status: how the execution has ended: "stopped", "failed" or "timed_out".
        reason: why.
    """
    _, latest = latest_run(storage)
    at_end = replace(storage, interrupted_run=run)
    if latest is None or latest.execution != run or not _exists(storage.plan) or _exists(at_end.summary):
        return
    _wait_for_calls(storage)
    collect(at_end, interruption={"status": status, "reason": reason})
    logger.info("collected the results of an interrupted batch", extra={"status": status})


def _wait_for_calls(storage: BatchStorage) -> None:
    """Wait until no results are added, because workers finish the calls in progress."""
    before = -1
    for _ in range(_MAX_CHECKS):
        parts = sum(1 for _ in storage.parts())
        if parts == before:
            return
        before = parts
        time.sleep(QUIET_SECONDS)


def _exists(read: Callable[[], object]) -> bool:
    try:
        read()
    except ObjectMissing:
        return False
    return True
