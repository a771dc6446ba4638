"""Stop a batch before all of its records have run: on request, at its deadline, after too many failures."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from lambdas.batch.options import Options
from lambdas.batch.storage import BatchStorage
from lambdas.shared.function_log import logger

# How often a worker checks whether another worker has stopped the batch, or its execution has ended.
CHECK_SECONDS = 3.0


class StopSignal:
    """Decides when a worker starts no further record, and shares that with the other workers through S3.

    A context manager: on exit it writes the failures that are not in S3 yet. Failures count for the whole
    batch, from the start of its execution.

    Attributes:
        waits_for_quota: whether the records of the shard are waiting for quota.
    """

    def __init__(self, storage: BatchStorage, options: Options, *, run: str, shard: int) -> None:
        self._storage = storage
        self._run = run
        self._shard = shard
        self._max_failed_share = options.max_failed_share
        self._records = 0
        self._own_failures = self._shared_failures = self._other_failures = 0
        self._stopped = False
        self.waits_for_quota = False
        self._lock = threading.Lock()
        left = options.seconds_left()
        self._deadline = math.inf if left is None else time.monotonic() + left
        self._next_check = -math.inf
        if self._max_failed_share is not None:
            plan = storage.plan()
            self._records = plan.records - plan.rejected
            self._own_failures = self._shared_failures = storage.failures(run).get(shard, 0)

    def __enter__(self) -> StopSignal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._try(self._share_failures)

    def add_outcome(self, *, success: bool) -> None:
        """Count the outcome of a record."""
        self._own_failures += not success

    def is_set(self) -> bool:
        """Whether no further record may start.

        An error of S3 is only logged, so that the requests in progress keep their answers.
        """
        with self._lock:
            if not self._stopped:
                self._try(self._update)
            return self._stopped

    def _try(self, work: Callable[[], None]) -> None:
        try:
            work()
        except (BotoCoreError, ClientError) as error:
            logger.warning(
                "cannot read or write the stop signal of a batch", extra={"error_type": type(error).__name__}
            )

    def _update(self) -> None:
        if time.monotonic() >= self._next_check:
            self._next_check = time.monotonic() + CHECK_SECONDS
            self._check_storage()
        failed = self._own_failures + self._other_failures
        if self._stopped:
            return
        if time.monotonic() >= self._deadline:
            when = (
                "while records waited for quota" if self.waits_for_quota else "before the record was started"
            )
            self._stop("DeadlinePassed", f"the batch's deadline passed {when}")
        # Division, because 29 / 100 equals 0.29, but 0.29 * 100 is less than 29.
        elif self._max_failed_share is not None and failed / self._records > self._max_failed_share:
            self._stop(
                "StoppedOnFailure",
                f"the batch was stopped by its failureStrategy before the record was started: "
                f"{failed} of its {self._records} records had failed",
            )

    def _check_storage(self) -> None:
        self._stopped = self._storage.stop_reason(self._run) is not None
        if self._max_failed_share is not None:
            self._share_failures()
            failures = self._storage.failures(self._run)
            self._other_failures = sum(failures.values()) - failures.get(self._shard, 0)

    def _share_failures(self) -> None:
        if self._max_failed_share is not None and self._own_failures > self._shared_failures:
            self._storage.put_failures(self._run, self._shard, self._own_failures)
            self._shared_failures = self._own_failures

    def _stop(self, kind: str, message: str) -> None:
        error: dict[str, Any] = {"type": kind, "code": None, "message": message}
        self._stopped = True
        self._storage.put_stop_reason(self._run, error)
