"""What ends a call early: its deadline, and its cancellation."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

from llmmanager.bedrock.exceptions.llm_manager_exceptions import ConfigurationError


@dataclass(frozen=True)
class Deadline:
    """A point in time by which a call must end. Several calls can share one deadline.

    Attributes:
        at: seconds on the monotonic clock (`time.monotonic()`).
    """

    at: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """Return the deadline that is `seconds` from now.

        Raises:
            ConfigurationError: `seconds` is not a number.
        """
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or math.isnan(seconds):
            raise ConfigurationError(f"deadline must be seconds or a Deadline (got {seconds!r})")
        return cls(time.monotonic() + seconds)

    @classmethod
    def from_value(cls, value: float | Deadline | None) -> Deadline:
        """Return the deadline for seconds from now, a `Deadline`, or None (no deadline).

        Raises:
            ConfigurationError: the value is something else.
        """
        if value is None:
            return NEVER
        return value if isinstance(value, Deadline) else cls.after(value)

    def remaining(self) -> float:
        """Return the seconds until the deadline; negative after it."""
        return self.at - time.monotonic()

    def earlier(self, other: Deadline) -> Deadline:
        """Return the earlier of the two deadlines."""
        return self if self.at <= other.at else other


NEVER = Deadline(math.inf)


class Cancellation(threading.Event):
    """An event that ends a call when another thread sets it. Waits of the call end at once.

    `interrupt` also closes the connection of the attempt in progress. Thread-safe; neither method blocks, so
    that an event loop can call it.

    Attributes:
        is_interrupted: whether `interrupt` was called.
    """

    def __init__(self) -> None:
        super().__init__()
        self.is_interrupted = False
        self._changing = threading.Lock()
        self._wakers: set[Callable[[], None]] = set()
        self._closers: set[Callable[[], None]] = set()

    def set(self) -> None:
        """End the call before its next attempt, and its current wait."""
        super().set()
        with self._changing:
            for wake in self._wakers:
                wake()

    def interrupt(self) -> None:
        """End the call as `set` does, and close its connections."""
        with self._changing:
            self.is_interrupted = True
        self.set()
        with self._changing:
            for close in self._closers:
                close()

    @contextmanager
    def waking(self, turn: threading.Event) -> Iterator[None]:
        """Set `turn`, for which the block waits, when the call ends."""
        with self._changing:
            self._wakers.add(turn.set)
        try:
            if self.is_set():
                turn.set()
            yield
        finally:
            with self._changing:
                self._wakers.discard(turn.set)

    def add_closer(self, close: Callable[[], None]) -> None:
        """Call `close` when the call is interrupted, also if it was interrupted before."""
        with self._changing:
            self._closers.add(close)
            if self.is_interrupted:
                close()

    def remove_closer(self, close: Callable[[], None]) -> None:
        """Do not call `close` any more. It is not running when this method returns."""
        with self._changing:
            self._closers.discard(close)


def waking(cancelled: threading.Event | None, turn: threading.Event) -> AbstractContextManager[None]:
    """Return a context manager in which a `Cancellation` sets `turn`. Other events have no effect."""
    return cancelled.waking(turn) if isinstance(cancelled, Cancellation) else nullcontext()
