"""Chooses the regions of each parallel request."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

from llmmanager.bedrock.forks import after_fork, new_lock
from llmmanager.bedrock.models.parallel_structures import LoadBalancingStrategy


class LoadBalancer:
    """Assigns each request its regions in order of preference. Thread-safe.

    ROUND_ROBIN starts with the next region for each request. RANDOM shuffles the regions. LEAST_LOADED
    sorts them by requests in flight; regions with equal counts stay in the configured order.
    """

    def __init__(
        self, regions: Sequence[str], strategy: LoadBalancingStrategy, rng: random.Random | None = None
    ) -> None:
        self._regions = list(regions)
        self._strategy = strategy
        self._rng = rng or random.Random()
        self._lock = threading.Lock()
        after_fork(self, new_lock)
        self._in_flight: Counter[str] = Counter()
        self._assigned = 0

    @contextmanager
    def assigned(
        self, count: int, *, balanced: bool = True, preferred: Collection[str] = ()
    ) -> Iterator[list[str]]:
        """Yield `count` regions for one request. The request counts as in flight in the first region.

        Args:
            balanced: False for the configured order.
            preferred: the regions that come first.
        """
        with self._lock:
            regions = self._choose() if balanced else self._regions
            if preferred:
                regions = sorted(regions, key=lambda region: region not in preferred)
            regions = regions[:count]
            self._assigned += 1
            self._in_flight[regions[0]] += 1
        try:
            yield regions
        finally:
            with self._lock:
                self._in_flight[regions[0]] -= 1

    def _choose(self) -> list[str]:
        if self._strategy is LoadBalancingStrategy.RANDOM:
            return self._rng.sample(self._regions, len(self._regions))
        if self._strategy is LoadBalancingStrategy.LEAST_LOADED:
            return sorted(self._regions, key=self._in_flight.__getitem__)
        start = self._assigned % len(self._regions)
        return self._regions[start:] + self._regions[:start]
