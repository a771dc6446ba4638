"""What the models of a manager have refused so far."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterable
from typing import NamedTuple

from llmmanager.bedrock.forks import after_fork, new_lock


class Refusal(NamedTuple):
    """One refused feature, with all that the refusal depends on beside the model.

    Attributes:
        operation: "Converse" or "ConverseStream".
        feature: its key in the feature table.
        condition: the feature's condition in the request that was refused.
    """

    operation: str
    feature: str
    condition: Hashable


class FeatureMemory:
    """The refusals of each model. Thread-safe; never shared between models."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        after_fork(self, new_lock)
        self._refused: dict[str, tuple[Refusal, ...]] = {}

    def refused_by(self, model_id: str) -> tuple[Refusal, ...]:
        """Return the model's refusals, the first one first."""
        return self._refused.get(model_id, ())

    def remember(self, model_id: str, refusal: Refusal) -> None:
        """Add a refusal, once."""
        with self._lock:
            known = self._refused.get(model_id, ())
            if refusal not in known:
                self._refused[model_id] = (*known, refusal)

    def forget(self, model_id: str, refusals: Iterable[Refusal]) -> None:
        """Forget these refusals of the model."""
        forgotten = set(refusals)
        with self._lock:
            known = self._refused.get(model_id, ())
            self._refused[model_id] = tuple(refusal for refusal in known if refusal not in forgotten)
