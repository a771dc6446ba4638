"""A batch that is ended before all of its records were run: at its deadline, or when too many fail."""

from __future__ import annotations

import math
import time
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from lambdas.batch.options import Options
from lambdas.batch.storage import BatchStorage
from lambdas.shared.observability import logger

# How often a worker looks whether another one has ended the batch.
LOOK_SECONDS = 1.5


class EarlyEnd:
    """Says to a worker when to start no further record, and tells the other workers and the last step.

    Failures are counted over what one invocation of a worker runs, and set against its shard's records.
    """

    def __init__(self, storage: BatchStorage, options: Options, *, records: int) -> None:
        self._storage = storage
        self._options = options
        self._records = records
        self._failed = 0
        self._ended = False
        left = options.seconds_left()
        self._deadline = math.inf if left is None else time.monotonic() + left
        # Without a rule for an end there is none, and nothing to look for.
        self._next_look = math.inf if options.may_fail is None else -math.inf

    def note(self, *, success: bool) -> None:
        """Take note of one outcome."""
        self._failed += not success

    def due(self) -> bool:
        """Whether no further record is to be started.

        S3 failing here must not cost the answers that are under way, so it is only logged.
        """
        if not self._ended:
            try:
                self._find_out()
            except (BotoCoreError, ClientError) as error:
                logger.warning("the end of a batch is not shared", extra={"error_type": type(error).__name__})
        return self._ended

    def _find_out(self) -> None:
        may_fail = self._options.may_fail
        if time.monotonic() >= self._deadline:
            self._end("DeadlinePassed", "the batch's deadline passed before the record was started")
        elif may_fail is not None and self._failed > may_fail * self._records:
            self._end(
                "StoppedOnFailure",
                f"the batch was stopped by its failureStrategy before the record was started: "
                f"{self._failed} of {self._records} records of a shard had failed",
            )
        elif time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + LOOK_SECONDS
            self._ended = self._storage.early_end(self._options.run) is not None

    def _end(self, kind: str, message: str) -> None:
        error: dict[str, Any] = {"type": kind, "code": None, "message": message}
        self._ended = True
        self._storage.put_early_end(self._options.run, error)
