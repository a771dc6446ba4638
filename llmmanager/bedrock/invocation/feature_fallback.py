"""Feature fallback of one call: which features are left out of the request for each model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from llmmanager.bedrock.invocation import wire
from llmmanager.bedrock.invocation.features import FeatureMemory, first_held, without


class FeatureFallback:
    """The features that one call leaves out, and the request body without them.

    Args:
        memory: the features that models refused in earlier calls of the manager.
        request: a valid Converse request; it is never changed.
        enabled: False sends every feature to every model.
    """

    def __init__(self, memory: FeatureMemory, request: Mapping[str, Any], *, enabled: bool) -> None:
        self._memory = memory
        self._request = request
        self._enabled = enabled
        self._remembered: dict[str, tuple[str, ...]] = {}
        self._refused: dict[str, tuple[str, ...]] = {}
        self._sent_in_full: set[str] = set()
        self._bodies: dict[tuple[str, ...], bytes] = {}

    def body(self, model_id: str) -> bytes:
        """Return the request body for the model, without the features that it refuses."""
        left_out = self.left_out(model_id)
        body = self._bodies.get(left_out)
        if body is None:
            body = self._bodies[left_out] = wire.encode(without(self._request, left_out))
        return body

    def left_out(self, model_id: str) -> tuple[str, ...]:
        """Return the features that the model's request does not contain any more."""
        return tuple(dict.fromkeys((*self._left_out_from_memory(model_id), *self._refused.get(model_id, ()))))

    def drop(self, model_id: str, features: Sequence[str]) -> bool:
        """Leave out the first of the features that the model's request contains.

        Returns:
            False when the request contains none of them, or fallback is off.
        """
        if not self._enabled:
            return False
        feature = first_held(without(self._request, self.left_out(model_id)), features)
        if feature is None:
            return False
        self._refused[model_id] = (*self._refused.get(model_id, ()), feature)
        return True

    def restore(self, model_id: str) -> bool:
        """Send again what was left out because of an earlier call, and forget that refusal.

        Returns:
            False when nothing was left out because of an earlier call.
        """
        if not self._left_out_from_memory(model_id):
            return False
        self._memory.forget(model_id)
        self._sent_in_full.add(model_id)
        return True

    def answered(self, model_id: str) -> None:
        """Remember the features that the model refused, now that it has answered without them."""
        for feature in self._refused.get(model_id, ()):
            self._memory.remember(model_id, feature)

    def replace_request(self, request: Mapping[str, Any]) -> None:
        """Send another request from now on, without the same features."""
        self._request = request
        self._bodies = {}

    def _left_out_from_memory(self, model_id: str) -> tuple[str, ...]:
        """Return the features that the model refused in an earlier call.

        Read once per call: a refusal that another call meets meanwhile must not be reported for this one.
        """
        if model_id in self._sent_in_full or not self._enabled:
            return ()
        if model_id not in self._remembered:
            known = self._memory.refused_by(model_id)
            self._remembered[model_id] = tuple(f for f in known if first_held(self._request, (f,)))
        return self._remembered[model_id]
