"""What a manager has done since it was made."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from typing import Any

from llmmanager.bedrock.forks import after_fork, new_lock
from llmmanager.bedrock.models.llm_manager_structures import RequestAttempt
from llmmanager.bedrock.routing.decision import Decision, Kind


class CallStats:
    """Counters over all calls of a manager. Thread-safe: one call is counted as a whole, when it ends."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        after_fork(self, new_lock)
        self._counts: Counter[str] = Counter()
        self._throttles: Counter[str] = Counter()

    def count(self, attempts: Sequence[RequestAttempt], decisions: Sequence[Decision | None]) -> None:
        """Add one call: its attempts, and what was decided after each (None after an answer)."""
        with self._lock:
            self._counts["requests"] += 1
            self._counts["attempts"] += len(attempts)
            for position, decision in enumerate(decisions):
                if decision is not None:
                    self._count_failure(attempts[position : position + 2], decision)

    def _count_failure(self, attempts: Sequence[RequestAttempt], decision: Decision) -> None:
        """Add a failed attempt, and what it led to where another one followed."""
        here = attempts[0]
        if decision.kind is Kind.THROTTLE:
            self._throttles[f"{here.invoke_id}@{here.region}"] += 1
        for there in attempts[1:]:
            self._counts["retries"] += decision.transient
            self._counts["failovers"] += (here.model_id, here.region) != (there.model_id, there.region)
            self._counts["feature_fallbacks"] += decision.kind is Kind.FEATURE

    def snapshot(self) -> dict[str, Any]:
        """`requests`, `attempts`, `retries`, `failovers`, `feature_fallbacks`, `throttles` by target."""
        names = ("requests", "attempts", "retries", "failovers", "feature_fallbacks")
        with self._lock:
            return {name: self._counts[name] for name in names} | {"throttles": dict(self._throttles)}
