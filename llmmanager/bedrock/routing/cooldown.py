"""Targets that keep failing are left alone for a while."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from llmmanager.bedrock.routing.decision import Decision, Kind

FAILURES_BEFORE_COOLDOWN = 3
SHORTEST_SECONDS = 1.0
LONGEST_SECONDS = 30.0
QUOTA_SECONDS = 900.0
NO_ACCESS_SECONDS = 300.0

_COUNTED = frozenset({Kind.THROTTLE, Kind.UNAVAILABLE, Kind.TIMEOUT, Kind.UNREACHABLE})
# Nothing that waiting for the next call would mend; but quotas are renewed and access is granted.
_AT_ONCE = {Kind.QUOTA: QUOTA_SECONDS, Kind.ACCESS: NO_ACCESS_SECONDS, Kind.MODEL: NO_ACCESS_SECONDS}

Key = tuple[str, str]
"""Model id and region."""


@dataclass
class _Health:
    failures: int = 0
    until: float = 0.0


class Cooldowns:
    """Which targets are cooling down, shared by all calls of a manager. Thread-safe.

    A target cools after three transient failures in a row with no success between them (1 s, doubled by
    each further failure, 30 s at most), and at once for 15 minutes when its daily quota is used up, for 5
    when the model cannot be had there. A cooling target is tried last, never left out, so that a wrong
    guess costs order and not answers.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._health: dict[Key, _Health] = {}

    def failed(self, key: Key, decision: Decision) -> None:
        """Count a failure of the target."""
        if decision.kind not in _AT_ONCE and decision.kind not in _COUNTED:
            return
        with self._lock:
            health = self._health.setdefault(key, _Health())
            health.failures += 1
            if decision.kind in _AT_ONCE:
                seconds = _AT_ONCE[decision.kind]
            elif health.failures >= FAILURES_BEFORE_COOLDOWN:
                doublings = min(health.failures - FAILURES_BEFORE_COOLDOWN, 10)
                seconds = min(SHORTEST_SECONDS * 2**doublings, LONGEST_SECONDS)
            else:
                return
            health.until = max(health.until, self._clock() + seconds)

    def succeeded(self, key: Key) -> None:
        """Forget the target's failures."""
        if key in self._health:
            with self._lock:
                self._health.pop(key, None)

    def cooling(self, key: Key) -> bool:
        """Whether the target is better left alone now."""
        health = self._health.get(key)
        return health is not None and health.until > self._clock()

    def any(self) -> bool:
        """Whether any target has failed lately."""
        return bool(self._health)
