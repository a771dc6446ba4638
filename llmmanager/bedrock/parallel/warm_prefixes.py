"""The prompt prefixes that are in Bedrock's caches."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from llmmanager.bedrock.forks import after_fork, new_lock

if TYPE_CHECKING:
    from llmmanager.bedrock.tokens.cache_prefixes import CachedPrefix

_MAX_PREFIXES = 10_000


class WarmPrefixes:
    """The prefixes for which a manager's requests do not wait, because they are in a cache. Thread-safe.

    Args:
        clock: seconds on a monotonic clock.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        after_fork(self, new_lock)
        # When each prefix expires, by region.
        self._expiry: dict[bytes, dict[str | None, float]] = {}

    def add(self, prefix: CachedPrefix, region: str | None, *, age: float) -> None:
        """Record that a request has used the prefix.

        Args:
            region: the region that has it in its cache; None if it is unknown whether one has.
            age: seconds since its use.
        """
        now = self._clock()
        with self._lock:
            if len(self._expiry) >= _MAX_PREFIXES:
                self._remove_expired(now)
            self._expiry.setdefault(prefix.digest, {})[region] = now - age + prefix.seconds

    def has(self, prefix: CachedPrefix) -> bool:
        """Whether a request has used the prefix, and it has not expired since."""
        now = self._clock()
        with self._lock:
            return any(end > now for end in self._expiry.get(prefix.digest, {}).values())

    def regions(self, prefixes: Sequence[CachedPrefix]) -> list[str]:
        """Return the regions that have the longest possible of these prefixes, given shortest first."""
        now = self._clock()
        with self._lock:
            for prefix in reversed(prefixes):
                expiry = self._expiry.get(prefix.digest, {})
                if regions := [region for region, end in expiry.items() if region is not None and end > now]:
                    return regions
        return []

    def _remove_expired(self, now: float) -> None:
        """Remove the prefixes that have expired, or all if there are too many others."""
        warm = {digest: expiry for digest, expiry in self._expiry.items() if max(expiry.values()) > now}
        self._expiry = warm if len(warm) < _MAX_PREFIXES else {}
