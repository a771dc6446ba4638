"""How far a batch is: counts, rate, cost and time left."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from llmmanager.batch_report.number_formats import counted, dollars, duration

_RATE_SECONDS = 60.0
_SHOWN_WAIT_SECONDS = 2.0


@dataclass
class RunProgress:
    """Counts the results of a run.

    Attributes:
        records: number of valid records of the batch.
        done: records with a result, also of earlier runs.
        failed: how many of them failed.
        cost_usd: cost of all results so far.
    """

    records: int
    done: int = 0
    failed: int = 0
    cost_usd: float = 0.0
    clock: Callable[[], float] = time.monotonic
    _recent: deque[float] = field(default_factory=deque)
    _started: float = field(init=False)

    def __post_init__(self) -> None:
        self._started = self.clock()

    def add(self, *, success: bool, cost_usd: float) -> None:
        """Count a result."""
        self.done += 1
        self.failed += not success
        self.cost_usd += cost_usd
        self._recent.append(self.clock())

    def per_minute(self) -> float:
        """Return the records per minute, over the last minute at most."""
        now = self.clock()
        while self._recent and self._recent[0] < now - _RATE_SECONDS:
            self._recent.popleft()
        elapsed = min(now - self._started, _RATE_SECONDS)
        return len(self._recent) / elapsed * 60 if elapsed > 0 else 0.0

    def seconds_left(self) -> float | None:
        """Return the seconds until the end at the present rate; None without a rate."""
        rate = self.per_minute()
        return (self.records - self.done) / rate * 60 if rate > 0 else None

    def line(self, *, waiting_seconds: float) -> str:
        """Return the line that a terminal shows.

        Args:
            waiting_seconds: for how long all requests have waited for quota; 0 if one of them runs.
        """
        rate = self.per_minute()
        parts = [f"{self.done:,} of {counted(self.records, 'record')}"]
        if self.failed:
            parts.append(f"{self.failed:,} failed")
        parts += [f"{rate:,.0f} per minute", dollars(self.cost_usd)]
        if waiting_seconds > _SHOWN_WAIT_SECONDS:
            parts.append(f"waiting for quota for {duration(round(waiting_seconds) * 1000)}")
        elif (left := self.seconds_left()) is not None:
            parts.append(f"{duration(round(left) * 1000)} left")
        return ", ".join(parts)
