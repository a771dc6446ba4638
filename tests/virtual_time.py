"""Threads in virtual time: one runs at a time, and a sleep takes no real time."""

from __future__ import annotations

import heapq
import itertools
import threading
from collections.abc import Callable


class VirtualTime:
    """A clock that advances to the next thread that wakes up, in place of `time`.

    Attributes:
        now: seconds since the start.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self._waiting: list[tuple[float, int, threading.Event]] = []
        self._numbers = itertools.count()
        self._is_done = threading.Event()

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let other threads run until this time has passed."""
        turn = self._turn_at(self.now + seconds)
        self._run_next()
        turn.wait()

    def start_at(self, seconds: float, function: Callable[[], object]) -> None:
        """Run a function in a thread of its own from this time on."""
        turn = self._turn_at(seconds)

        def run() -> None:
            turn.wait()
            try:
                function()
            finally:
                self._run_next()

        threading.Thread(target=run, daemon=True).start()

    def run(self) -> None:
        """Run all threads to their end."""
        self._run_next()
        self._is_done.wait()

    def _turn_at(self, seconds: float) -> threading.Event:
        turn = threading.Event()
        heapq.heappush(self._waiting, (seconds, next(self._numbers), turn))
        return turn

    def _run_next(self) -> None:
        if not self._waiting:
            self._is_done.set()
            return
        self.now, _, turn = heapq.heappop(self._waiting)
        turn.set()
