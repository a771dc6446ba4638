"""Stores the features that the models of a manager do not support."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterable
from typing import NamedTuple

from llmmanager.bedrock.forks import after_fork, new_lock


class UnsupportedFeature(NamedTuple):
    """A feature that a model rejected, and the conditions of that.

    Attributes:
        operation: "Converse" or "ConverseStream".
        feature: the key in the feature table.
        condition: the feature's condition for the rejected request.
    """

    operation: str
    feature: str
    condition: Hashable


class FeatureMemory:
    """The unsupported features of each model. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        after_fork(self, new_lock)
        self._features: dict[str, tuple[UnsupportedFeature, ...]] = {}

    def unsupported_by(self, model_id: str) -> tuple[UnsupportedFeature, ...]:
        """Return the unsupported features of a model, oldest first."""
        return self._features.get(model_id, ())

    def add(self, model_id: str, feature: UnsupportedFeature) -> None:
        """Add a feature, unless it is stored already."""
        with self._lock:
            known = self._features.get(model_id, ())
            if feature not in known:
                self._features[model_id] = (*known, feature)

    def remove(self, model_id: str, features: Iterable[UnsupportedFeature]) -> None:
        """Remove features of a model."""
        removed = set(features)
        with self._lock:
            known = self._features.get(model_id, ())
            self._features[model_id] = tuple(feature for feature in known if feature not in removed)
