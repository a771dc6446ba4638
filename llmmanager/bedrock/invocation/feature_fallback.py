"""Feature fallback of one call: which features are left out of the request for each model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from llmmanager.bedrock.catalog.managed_prompts import is_managed_prompt, without_prompt_fields
from llmmanager.bedrock.invocation import wire
from llmmanager.bedrock.invocation.feature_memory import FeatureMemory, Refusal
from llmmanager.bedrock.invocation.feature_table import FeatureClass, find_feature, leave_out, public_name


class _Variant:
    """The request without some features; `left_out` are the keys of those that it contained."""

    def __init__(self, request: Mapping[str, Any], left_out: tuple[str, ...]) -> None:
        self.request = request
        self.left_out = left_out
        self._body: bytes | None = None

    def body(self) -> bytes:
        """Return the request as it is sent."""
        if self._body is None:
            self._body = wire.encode(self.request)
        return self._body


class FeatureFallback:
    """The features that one call leaves out, and the request body without them.

    Args:
        memory: what the models refused in earlier calls of the manager.
        request: a valid Converse request; it is never changed.
        operation: "Converse" or "ConverseStream".
        enabled: False sends every feature to every model.
    """

    def __init__(
        self, memory: FeatureMemory, request: Mapping[str, Any], *, operation: str, enabled: bool
    ) -> None:
        self._memory = memory
        self._request = request
        self._operation = operation
        self._enabled = enabled
        self._remembered: dict[str, tuple[Refusal, ...]] = {}
        self._refused: dict[str, tuple[str, ...]] = {}
        self._variants: dict[tuple[bool, frozenset[str]], _Variant] = {}
        self._by_model: dict[str, _Variant] = {}

    def body(self, model_id: str) -> bytes:
        """Return the request body for the model, without the features that it refuses."""
        return self._variant(model_id).body()

    def request(self, model_id: str) -> Mapping[str, Any]:
        """Return the request for the model, without the features that it refuses."""
        return self._variant(model_id).request

    def left_out(self, model_id: str) -> tuple[str, ...]:
        """Return the names of the features that the model's request is sent without."""
        return tuple(dict.fromkeys(public_name(key) for key in self._variant(model_id).left_out))

    def warnings(self, model_id: str) -> list[str]:
        """Return a sentence for each feature that the model's request is sent without."""
        found = ((key, find_feature(key)) for key in self._variant(model_id).left_out)
        return [
            f"{model_id} does not accept {public_name(key)}: {feature.instead}"
            for key, feature in found
            if feature is not None
        ]

    def content_left_out(self, model_id: str) -> int:
        """Return how many features of the class "content" the model's request is sent without."""
        found = map(find_feature, self._variant(model_id).left_out)
        return sum(feature is not None and feature.feature_class is FeatureClass.CONTENT for feature in found)

    def refuse(self, model_id: str, keys: Sequence[str]) -> FeatureClass | None:
        """Leave out, from now on, the first of the features that the model's request contains.

        Returns:
            The class of the feature. None when nothing is left out: the request contains none of them, the
            feature is never left out, or fallback is off.
        """
        if not self._enabled:
            return None
        sent = self._variant(model_id).request
        refused = self._refused.get(model_id, ())
        for key in keys:
            feature = find_feature(key)
            if feature is None or key in refused or not feature.is_in(sent):
                continue
            if feature.feature_class is FeatureClass.SAFETY:
                return None
            self._refused[model_id] = (*refused, key)
            self._by_model.pop(model_id, None)
            if feature.feature_class is FeatureClass.CONTENT:
                # Another model may answer this call: the next one shall not ask this model first.
                self._remember(model_id, key)
            return feature.feature_class
        return None

    def restore(self, model_id: str) -> bool:
        """Send again what was left out because of an earlier call, and forget those refusals.

        Returns:
            False when nothing was left out because of an earlier call.
        """
        left_out = self._variant(model_id).left_out
        refusals = [refusal for refusal in self._from_memory(model_id) if refusal.feature in left_out]
        if not refusals:
            return False
        self._memory.forget(model_id, refusals)
        self._remembered[model_id] = ()
        self._by_model.pop(model_id, None)
        return True

    def answered(self, model_id: str) -> None:
        """Remember the features that the model refused, now that it has answered without them."""
        for key in self._refused.get(model_id, ()):
            self._remember(model_id, key)

    def replace_request(self, request: Mapping[str, Any]) -> None:
        """Send another request from now on, without the same features."""
        self._request = request
        self._variants = {}
        self._by_model = {}

    def _variant(self, model_id: str) -> _Variant:
        variant = self._by_model.get(model_id)
        if variant is None:
            variant = self._by_model[model_id] = self._new_variant(model_id)
        return variant

    def _new_variant(self, model_id: str) -> _Variant:
        keys = frozenset(self._refused.get(model_id, ()))
        keys = keys.union(refusal.feature for refusal in self._from_memory(model_id))
        is_prompt = is_managed_prompt(model_id)
        variant = self._variants.get((is_prompt, keys))
        if variant is None:
            request = without_prompt_fields(self._request) if is_prompt else self._request
            variant = self._variants[is_prompt, keys] = _Variant(*leave_out(request, keys))
        return variant

    def _remember(self, model_id: str, key: str) -> None:
        feature = find_feature(key)
        if feature is not None and feature.is_remembered:
            condition = feature.condition(self._request)
            self._memory.remember(model_id, Refusal(self._operation, key, condition))

    def _from_memory(self, model_id: str) -> tuple[Refusal, ...]:
        """Return the refusals of earlier calls that hold for this request.

        Read once per call: a refusal that another call meets meanwhile must not be reported for this one.
        """
        if not self._enabled:
            return ()
        if model_id not in self._remembered:
            known = self._memory.refused_by(model_id)
            self._remembered[model_id] = tuple(refusal for refusal in known if self._holds(refusal))
        return self._remembered[model_id]

    def _holds(self, refusal: Refusal) -> bool:
        feature = find_feature(refusal.feature)
        return (
            feature is not None
            and refusal.operation == self._operation
            and refusal.condition == feature.condition(self._request)
        )
