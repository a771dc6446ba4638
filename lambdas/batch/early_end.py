"""A batch that is ended before all of its records were run: stopped, at its deadline, when too many fail."""

from __future__ import annotations

import math
import threading
import time
from types import TracebackType
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from lambdas.batch.options import Options
from lambdas.batch.storage import BatchStorage
from lambdas.shared.observability import logger

# How often a worker checks whether the batch was ended by another worker, or its execution stopped.
LOOK_SECONDS = 3.0


class EarlyEnd:
    """Decides when a worker starts no further record, and shares that with the others and the last step.

    A context manager, so that failures that were not shared yet are shared at its end. They count for the
    whole batch, from the start of the execution that runs it.

    Attributes:
        waits_for_quota: whether the records of the shard are waiting for quota.
    """

    def __init__(self, storage: BatchStorage, options: Options, *, run: str, shard: int) -> None:
        self._storage = storage
        self._run = run
        self._shard = shard
        self._may_fail = options.may_fail
        self._records = 0
        self._failed_here = self._shared_here = self._failed_elsewhere = 0
        self._ended = False
        self.waits_for_quota = False
        self._lock = threading.Lock()
        left = options.seconds_left()
        self._deadline = math.inf if left is None else time.monotonic() + left
        self._next_look = -math.inf
        if self._may_fail is not None:
            plan = storage.plan()
            self._records = plan.records - plan.rejected
            self._failed_here = self._shared_here = storage.failures(run).get(shard, 0)

    def __enter__(self) -> EarlyEnd:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._try(self._share_failures)

    def note(self, *, success: bool) -> None:
        """Take note of one outcome."""
        self._failed_here += not success

    def due(self) -> bool:
        """Whether no further record is to be started.

        S3 failing here must not cost the answers that are under way, so it is only logged.
        """
        with self._lock:
            if not self._ended:
                self._try(self._find_out)
            return self._ended

    def _try(self, work: Any) -> None:
        try:
            work()
        except (BotoCoreError, ClientError) as error:
            logger.warning("the end of a batch is not shared", extra={"error_type": type(error).__name__})

    def _find_out(self) -> None:
        if time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + LOOK_SECONDS
            self._look()
        failed = self._failed_here + self._failed_elsewhere
        if self._ended:
            return
        if time.monotonic() >= self._deadline:
            end = (
                "while records waited for quota" if self.waits_for_quota else "before the record was started"
            )
            self._end("DeadlinePassed", f"the batch's deadline passed {end}")
        # Divided, and not multiplied: 29 of 100 are the very number 0.29, but 0.29 * 100 is less than 29.
        elif self._may_fail is not None and failed / self._records > self._may_fail:
            self._end(
                "StoppedOnFailure",
                f"the batch was stopped by its failureStrategy before the record was started: "
                f"{failed} of its {self._records} records had failed",
            )

    def _look(self) -> None:
        self._ended = self._storage.early_end(self._run) is not None
        if self._may_fail is not None:
            self._share_failures()
            failures = self._storage.failures(self._run)
            self._failed_elsewhere = sum(failures.values()) - failures.get(self._shard, 0)

    def _share_failures(self) -> None:
        if self._may_fail is not None and self._failed_here > self._shared_here:
            self._storage.put_failures(self._run, self._shard, self._failed_here)
            self._shared_here = self._failed_here

    def _end(self, kind: str, message: str) -> None:
        error: dict[str, Any] = {"type": kind, "code": None, "message": message}
        self._ended = True
        self._storage.put_early_end(self._run, error)
