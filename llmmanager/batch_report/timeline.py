"""Events over time in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

MAX_INTERVALS = 120
_FEW_INTERVALS, _FEW_RESULTS = 15, 5

# Each width in seconds is a multiple of the one before it, so that intervals can be merged.
_WIDTHS = (1, 5, 10, 30, 60, 300, 600, 1800, 3600, 10_800, 21_600, 43_200, 86_400)
assert all(longer % shorter == 0 for shorter, longer in pairwise(_WIDTHS))


@dataclass
class Interval:
    """What happened in an interval of time."""

    answered: int = 0
    failed: int = 0
    throttles: int = 0
    cost: float = 0.0

    def add(self, other: Interval) -> None:
        """Add the numbers of another interval."""
        self.answered += other.answered
        self.failed += other.failed
        self.throttles += other.throttles
        self.cost += other.cost


class Timeline:
    """Sums of events in at most `MAX_INTERVALS` intervals, which get wider as the time gets longer.

    Attributes:
        seconds: the width of an interval.
    """

    def __init__(self) -> None:
        self.seconds = _WIDTHS[0]
        self._intervals: dict[int, Interval] = {}
        self._first = self._last = 0

    def at(self, time: datetime) -> Interval:
        """Return the interval of a time, to which its events are added."""
        second = int(time.timestamp())
        index = second // self.seconds
        found = self._intervals.get(index)
        if found is not None:
            return found
        self._include(index)
        while self._last - self._first >= MAX_INTERVALS:
            self._widen()
        return self._intervals.setdefault(second // self.seconds, Interval())

    def readable(self) -> Timeline:
        """Return the same events in wider intervals if most intervals have few results."""
        merged = Timeline()
        merged.seconds, merged._intervals = self.seconds, self._intervals
        merged._first, merged._last = self._first, self._last
        results = sum(each.answered + each.failed for each in self._intervals.values())
        while (
            number := merged._last - merged._first + 1
        ) > _FEW_INTERVALS and results < number * _FEW_RESULTS:
            merged._widen()
        return merged

    def intervals(self) -> Iterator[tuple[datetime, Interval]]:
        """Yield the start (UTC) of each interval and its sums, without gaps."""
        if not self._intervals:
            return
        for index in range(self._first, self._last + 1):
            start = datetime.fromtimestamp(index * self.seconds, UTC)
            yield start, self._intervals.get(index, Interval())

    @property
    def end(self) -> datetime | None:
        """The end of the last interval (UTC); None without events."""
        if not self._intervals:
            return None
        start = datetime.fromtimestamp(self._last * self.seconds, UTC)
        return start + timedelta(seconds=self.seconds)

    def _include(self, index: int) -> None:
        is_first = not self._intervals
        self._first = index if is_first else min(self._first, index)
        self._last = index if is_first else max(self._last, index)

    def _widen(self) -> None:
        wider = next((width for width in _WIDTHS if width > self.seconds), self.seconds * 2)
        factor = wider // self.seconds
        merged: dict[int, Interval] = {}
        for index, interval in self._intervals.items():
            merged.setdefault(index // factor, Interval()).add(interval)
        self.seconds, self._intervals = wider, merged
        self._first, self._last = self._first // factor, self._last // factor
