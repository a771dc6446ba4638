"""Statistics of a manager."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from typing import Any

from llmmanager.bedrock.forks import after_fork, new_lock
from llmmanager.bedrock.models.llm_manager_structures import RetryConfig
from llmmanager.bedrock.models.request_attempt import RequestAttempt
from llmmanager.bedrock.routing.decision import Decision, Kind


class CallStats:
    """Counters for all calls of a manager. A call is counted when it ends. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        after_fork(self, new_lock)
        self._counts: Counter[str] = Counter()
        self._throttles: Counter[str] = Counter()

    def count(self, attempts: Sequence[RequestAttempt], decisions: Sequence[Decision | None]) -> None:
        """Add one call: its attempts, and the decision after each (None after an answer)."""
        with self._lock:
            self._counts["requests"] += 1
            self._counts["attempts"] += len(attempts)
            for position, decision in enumerate(decisions):
                if decision is not None:
                    self._count_failure(attempts[position : position + 2], decision)

    def _count_failure(self, attempts: Sequence[RequestAttempt], decision: Decision) -> None:
        """Add a failed attempt. `attempts` are that attempt and the next one, if any."""
        failed = attempts[0]
        if decision.kind is Kind.THROTTLE:
            self._throttles[f"{failed.invoke_id}@{failed.region}"] += 1
        for following in attempts[1:]:
            self._counts["retries"] += decision.transient
            self._counts["failovers"] += (failed.model_id, failed.region) != (
                following.model_id,
                following.region,
            )
            self._counts["feature_fallbacks"] += decision.kind is Kind.FEATURE

    def snapshot(self) -> dict[str, Any]:
        """Return the counters by name; `throttles` is a dict by target."""
        names = ("requests", "attempts", "retries", "failovers", "feature_fallbacks")
        with self._lock:
            return {name: self._counts[name] for name in names} | {"throttles": dict(self._throttles)}


def retry_settings(config: RetryConfig) -> dict[str, Any]:
    """Return the fields of a retry configuration, with names instead of classes."""
    return vars(config) | {
        "retry_strategy": config.retry_strategy.value,
        "retryable_errors": [
            error if isinstance(error, str) else error.__name__ for error in config.retryable_errors
        ],
    }
