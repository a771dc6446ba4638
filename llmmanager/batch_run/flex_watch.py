"""Leave the flex tier when a batch on this machine would miss its deadline in it."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from types import TracebackType

from llmmanager.batch_files.deadline_prediction import is_rate_reliable, misses_deadline
from llmmanager.batch_run.run_progress import RunProgress
from llmmanager.bedrock.models.deadline import Deadline

_CHECK_SECONDS = 0.25


class FlexWatch:
    """Context manager whose thread calls `leave` once, when the batch would miss its deadline.

    Args:
        waiting_seconds: returns for how long all requests have waited for quota.
    """

    def __init__(
        self,
        progress: RunProgress,
        deadline: Deadline,
        *,
        waiting_seconds: Callable[[], float],
        leave: Callable[[], None],
    ) -> None:
        self._progress = progress
        self._deadline = deadline
        self._waiting_seconds = waiting_seconds
        self._leave = leave
        self._started = time.monotonic()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="flex", daemon=True)

    def __enter__(self) -> FlexWatch:
        if self._deadline.at < math.inf:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed.set()
        if self._thread.is_alive():
            self._thread.join()

    def _watch(self) -> None:
        while not self._closed.wait(_CHECK_SECONDS):
            elapsed, left = time.monotonic() - self._started, self._deadline.remaining()
            throttled = self._waiting_seconds() > 0
            needed = self._progress.seconds_left()
            if is_rate_reliable(elapsed, left, throttled=throttled) and misses_deadline(
                elapsed, left, needed=needed
            ):
                self._leave()
                return
