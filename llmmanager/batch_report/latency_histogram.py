"""Percentiles of durations in bounded memory."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator

GROWTH = 1.02
"""Ratio of the upper to the lower limit of a bin. A percentile is at most 1 % from a duration of its rank."""

_LOG_GROWTH = math.log(GROWTH)
_LAST_BIN = math.ceil(math.log(1e9) / _LOG_GROWTH)


class LatencyHistogram:
    """Counts durations in bins whose limits grow by `GROWTH`: at most 1,047 bins for 1 ms to 11 days.

    Attributes:
        count: number of durations.
        longest_ms: the longest duration.
    """

    def __init__(self) -> None:
        self.count = 0
        self.longest_ms = 0.0
        self._shortest_ms = math.inf
        self._bins: Counter[int] = Counter()

    def add(self, milliseconds: float) -> None:
        """Count a duration."""
        self.count += 1
        self.longest_ms = max(self.longest_ms, milliseconds)
        self._shortest_ms = min(self._shortest_ms, milliseconds)
        bin_ = int(math.log(milliseconds) / _LOG_GROWTH) if milliseconds > 1 else 0
        self._bins[min(bin_, _LAST_BIN)] += 1

    def percentile(self, share: float) -> float | None:
        """Return the duration in milliseconds that this share of the durations (0 to 1) does not exceed.

        The value is the middle of its bin, so it differs by at most 1 % from the exact one. None without
        durations.
        """
        rank, seen = math.ceil(share * self.count), 0
        for bin_, count in sorted(self._bins.items()):
            seen += count
            if seen >= rank:
                middle = math.exp((bin_ + 0.5) * _LOG_GROWTH)
                return max(self._shortest_ms, min(middle, self.longest_ms))
        return None

    def summary(self) -> dict[str, float | None]:
        """Return `p50`, `p95`, `p99` and `max` in milliseconds."""
        shares = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
        found = {name: self.percentile(share) for name, share in shares.items()}
        rounded = {name: None if value is None else round(value, 1) for name, value in found.items()}
        return {**rounded, "max": round(self.longest_ms, 1) if self.count else None}

    def bars(self, at_most: int) -> Iterator[tuple[float, float, int]]:
        """Yield up to `at_most` bars that cover all durations.

        Yields:
            The limits in milliseconds and the number of durations between them.
        """
        if not self.count:
            return
        first, last = min(self._bins), max(self._bins)
        width = -(-(last - first + 1) // at_most)
        sums: Counter[int] = Counter()
        for bin_, count in self._bins.items():
            sums[(bin_ - first) // width] += count
        for bar in range((last - first) // width + 1):
            start = first + bar * width
            yield math.exp(start * _LOG_GROWTH), math.exp((start + width) * _LOG_GROWTH), sums[bar]
