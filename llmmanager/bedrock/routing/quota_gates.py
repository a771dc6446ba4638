"""The quota gates of this process, shared by all its managers."""

from __future__ import annotations

import os
import threading
from collections.abc import Hashable

from llmmanager.bedrock.exceptions.llm_manager_exceptions import ConfigurationError
from llmmanager.bedrock.forks import after_fork
from llmmanager.bedrock.routing.quota_gate import QuotaGate

WINDOW_VARIABLE = "LLMMANAGER_QUOTA_WINDOW_SECONDS"
_WINDOW_SECONDS = 60.0


class _Gates:
    """The gates by the key of their quota."""

    def __init__(self) -> None:
        self.forget()
        after_fork(self, _Gates.forget)

    def forget(self) -> None:
        """Remove all gates, also in a forked process: threads of its parent may hold their locks."""
        self._lock = threading.Lock()
        self._gates: dict[Hashable, QuotaGate] = {}

    def gate(self, key: Hashable) -> QuotaGate:
        """Return the gate of a key; create it the first time."""
        gate = self._gates.get(key)
        if gate is None:
            with self._lock:
                gate = self._gates.setdefault(key, QuotaGate(window_seconds()))
        return gate


_gates = _Gates()


def shared_gate(key: Hashable) -> QuotaGate:
    """Return the gate of a quota; callers with an equal key get the same one.

    Args:
        key: identifies the quota: account, region, model, access method and service tier.
    """
    return _gates.gate(key)


def forget_gates() -> None:
    """Forget the estimated quotas."""
    _gates.forget()


def window_seconds() -> float:
    """Return the window of a quota in seconds: 60, or the value of the environment variable for tests.

    Raises:
        ConfigurationError: the environment variable is not a number above 0.
    """
    text = os.environ.get(WINDOW_VARIABLE)
    if not text:
        return _WINDOW_SECONDS
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise ConfigurationError(f"{WINDOW_VARIABLE} must be a number of seconds above 0 (got {text!r})")
    return seconds
