"""What a manager has done since it was made."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from typing import Any

from llmmanager.bedrock.models.llm_manager_structures import RequestAttempt
from llmmanager.bedrock.routing.decision import Decision, Kind


class CallStats:
    """Counters over all calls of a manager. Thread-safe: one call is counted as a whole, when it ends."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._throttles: Counter[str] = Counter()

    def count(self, attempts: Sequence[RequestAttempt], decisions: Sequence[Decision | None]) -> None:
        """Add one call: its attempts, and what was decided after each (None after an answer)."""
        counts: Counter[str] = Counter(requests=1, attempts=len(attempts))
        throttles: Counter[str] = Counter()
        for position, decision in enumerate(decisions):
            if decision is None:
                continue
            if decision.kind is Kind.THROTTLE:
                throttles[f"{attempts[position].invoke_id}@{attempts[position].region}"] += 1
            if position + 1 == len(attempts):
                break
            here, there = attempts[position], attempts[position + 1]
            counts["retries"] += decision.transient
            counts["failovers"] += (here.model_id, here.region) != (there.model_id, there.region)
            counts["feature_fallbacks"] += decision.kind is Kind.FEATURE
        with self._lock:
            self._counts.update(counts)
            self._throttles.update(throttles)

    def snapshot(self) -> dict[str, Any]:
        """`requests`, `attempts`, `retries`, `failovers`, `feature_fallbacks`, `throttles` by target."""
        names = ("requests", "attempts", "retries", "failovers", "feature_fallbacks")
        with self._lock:
            return {name: self._counts[name] for name in names} | {"throttles": dict(self._throttles)}
