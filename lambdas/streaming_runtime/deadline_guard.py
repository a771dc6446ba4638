"""Interrupts a handler that runs until shortly before the function's timeout."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from lambdas.streamed_response import GUARD_SECONDS, StreamDeadline
from lambdas.streaming_runtime.runtime_api import Invocation

# A handler that catches StreamDeadline and continues gets it again after this time.
_REPEAT_SECONDS: Final = 0.5


class DeadlineGuard:
    """Raises StreamDeadline in the handler's code, which runs inside `with guard`, on the main thread.

    Outside of it, nothing is raised: an interrupted write would leave a part of a chunk.
    """

    def __init__(self) -> None:
        self._handler_runs = False
        signal.signal(signal.SIGALRM, self._on_alarm)

    @contextmanager
    def watching(self, invocation: Invocation) -> Iterator[None]:
        """Watch the timeout of an invocation during the block."""
        seconds = max(invocation.seconds_left() - GUARD_SECONDS, 0.001)
        signal.setitimer(signal.ITIMER_REAL, seconds, _REPEAT_SECONDS)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)

    def __enter__(self) -> None:
        self._handler_runs = True

    def __exit__(self, *_: object) -> None:
        self._handler_runs = False

    def _on_alarm(self, *_: object) -> None:
        if self._handler_runs:
            raise StreamDeadline(f"the function times out in less than {GUARD_SECONDS:.0f} s")
