"""Feature fallback of one call: removes features that a model does not support from its request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from llmmanager.bedrock.catalog.catalog_entries import ModelAccess
from llmmanager.bedrock.catalog.managed_prompts import is_managed_prompt, without_prompt_fields
from llmmanager.bedrock.invocation.feature_memory import FeatureMemory, UnsupportedFeature
from llmmanager.bedrock.invocation.feature_table import (
    Feature,
    FeatureClass,
    find_feature,
    public_name,
    without_features,
)
from llmmanager.bedrock.invocation.parameter_edits import schema_format, service_tier
from llmmanager.bedrock.invocation.quota_cost import reserved_tokens
from llmmanager.bedrock.routing.keys import CallForm
from llmmanager.bedrock.transport import converse_api

# The name of a cache point in an encoded request. In a text, its quotes are escaped.
_CACHE_POINT = b'"cachePoint":'


class _Variant:
    """The request without some features. `left_out` are the keys of the removed features."""

    def __init__(self, request: Mapping[str, Any], left_out: tuple[str, ...]) -> None:
        self.request = request
        self.left_out = left_out
        self._body: bytes | None = None

    def body(self) -> bytes:
        """Return the encoded request."""
        if self._body is None:
            self._body = converse_api.encode(self.request)
        return self._body


class FeatureFallback:
    """The requests of one call for each model, without the features that the model does not support.

    Args:
        memory: unsupported features of the models, from earlier calls of the manager.
        request: a valid Converse request. It is not changed.
        operation: "Converse" or "ConverseStream".
        enabled: False sends every feature to every model. The schema of an answer still gets a form that the
            model accepts.
        prompt_cache: whether cache points are placed for each model.
    """

    def __init__(
        self,
        memory: FeatureMemory,
        request: Mapping[str, Any],
        *,
        operation: str,
        enabled: bool,
        prompt_cache: bool = False,
    ) -> None:
        self._memory = memory
        self._request = request
        self._operation = operation
        self._enabled = enabled
        self._prompt_cache = prompt_cache
        self._cached: dict[str, Mapping[str, Any]] = {}
        self._remembered: dict[str, tuple[UnsupportedFeature, ...]] = {}
        self._rejected: dict[str, tuple[str, ...]] = {}
        self._variants: dict[tuple[str, bool, frozenset[str]], _Variant] = {}
        self._by_model: dict[str, _Variant] = {}

    def body(self, model_id: str) -> bytes:
        """Return the request body for the model, without unsupported features."""
        return self._variant(model_id).body()

    def request(self, model_id: str) -> Mapping[str, Any]:
        """Return the request for the model, without unsupported features."""
        return self._variant(model_id).request

    def reserved_tokens(self, target: ModelAccess) -> int:
        """Return the tokens that Bedrock reserves for a call of the target."""
        return reserved_tokens(self.request(target.model_id), self.body(target.model_id), target.model_id)

    def call_form(self, target: ModelAccess) -> CallForm:
        """Return the form of a call of the target."""
        tier = service_tier(self.request(target.model_id))
        return CallForm(self._operation == "ConverseStream", tier)

    def left_out(self, model_id: str) -> tuple[str, ...]:
        """Return the names of the features removed from the model's request."""
        return tuple(dict.fromkeys(public_name(key) for key in self._left_out(model_id)))

    def warnings(self, model_id: str, answer: Mapping[str, Any] | None = None) -> list[str]:
        """Return a warning for each feature removed from the model's request, and for unused cache points.

        Args:
            answer: the model's Converse response, if there is one.
        """
        variant = self._variant(model_id)
        found = ((key, find_feature(key)) for key in self._left_out(model_id))
        removed = [
            f"{model_id} does not accept {public_name(key)}: {feature.replacement}"
            for key, feature in found
            if feature is not None
        ]
        if not self._prompt_cache and _CACHE_POINT not in variant.body():
            return removed
        # Imported here, since few requests have cache points.
        from llmmanager.bedrock.tokens.cache_warnings import cache_warnings

        return removed + cache_warnings(variant.request, model_id, answer, auto=self._prompt_cache)

    def content_left_out(self, model_id: str) -> int:
        """Return the number of features of class CONTENT removed from the model's request."""
        found = map(find_feature, self._variant(model_id).left_out)
        return sum(feature is not None and feature.feature_class is FeatureClass.CONTENT for feature in found)

    def feature_rejected(self, model_id: str, keys: Sequence[str]) -> FeatureClass | None:
        """Remove the first of these features that the model's request contains from its further requests.

        Returns:
            The class of the feature. None if no feature is removed: the request contains none of them, the
            feature must not be removed, or fallback is disabled.
        """
        sent = self._variant(model_id).request
        rejected = self._rejected.get(model_id, ())
        for key in keys:
            feature = find_feature(key)
            if feature is None or key in rejected or not feature.is_in(sent):
                continue
            if feature.feature_class is FeatureClass.SAFETY or not self._may_change(feature):
                return None
            self._rejected[model_id] = (*rejected, key)
            self._by_model.pop(model_id, None)
            if feature.feature_class is FeatureClass.CONTENT:
                # Stored now, since another model may answer this call. Later calls then use that model first.
                self._remember(model_id, key)
            return feature.feature_class
        return None

    def restore(self, model_id: str) -> bool:
        """Restore the features that were removed because of earlier calls, and remove them from the memory.

        Returns:
            Whether there were such features.
        """
        left_out = self._variant(model_id).left_out
        restored = [stored for stored in self._from_memory(model_id) if stored.feature in left_out]
        if not restored:
            return False
        self._memory.remove(model_id, restored)
        self._remembered[model_id] = ()
        self._by_model.pop(model_id, None)
        return True

    def answered(self, model_id: str) -> None:
        """Store the features that the model rejected, after it answered without them."""
        for key in self._rejected.get(model_id, ()):
            self._remember(model_id, key)

    def replace_request(self, request: Mapping[str, Any]) -> None:
        """Use another request, without the same features."""
        self._request = request
        self._cached = {}
        self._variants = {}
        self._by_model = {}

    def _left_out(self, model_id: str) -> list[str]:
        """Return the keys of the features removed from the model's request, without those in another form."""
        found = ((key, find_feature(key)) for key in self._variant(model_id).left_out)
        return [key for key, feature in found if feature and feature.feature_class is not FeatureClass.FORM]

    def _may_change(self, feature: Feature) -> bool:
        return self._enabled or feature.feature_class is FeatureClass.FORM

    def _variant(self, model_id: str) -> _Variant:
        variant = self._by_model.get(model_id)
        if variant is None:
            variant = self._by_model[model_id] = self._new_variant(model_id)
        return variant

    def _new_variant(self, model_id: str) -> _Variant:
        keys = frozenset(self._rejected.get(model_id, ()))
        keys = keys.union(stored.feature for stored in self._from_memory(model_id))
        text_format = schema_format(self._request)
        if text_format is not None:
            keys = keys.union(text_format.unsupported_by(model_id))
        is_prompt = is_managed_prompt(model_id)
        variant_key = (model_id if self._prompt_cache else "", is_prompt, keys)
        variant = self._variants.get(variant_key)
        if variant is None:
            request = without_prompt_fields(self._request) if is_prompt else self._complete(model_id)
            variant = self._variants[variant_key] = _Variant(*without_features(request, keys))
        return variant

    def _complete(self, model_id: str) -> Mapping[str, Any]:
        """Return the request with all features, and with the cache points that are placed for the model."""
        if not self._prompt_cache:
            return self._request
        if model_id not in self._cached:
            # Imported here, since few calls place cache points.
            from llmmanager.bedrock.tokens.cache_placement import with_cache_points

            self._cached[model_id] = with_cache_points(self._request, model_id)
        return self._cached[model_id]

    def _remember(self, model_id: str, key: str) -> None:
        feature = find_feature(key)
        if feature is not None and feature.is_remembered:
            condition = feature.condition(self._complete(model_id))
            self._memory.add(model_id, UnsupportedFeature(self._operation, key, condition))

    def _from_memory(self, model_id: str) -> tuple[UnsupportedFeature, ...]:
        """Return the unsupported features from earlier calls that apply to this request.

        The memory is read once per call. A feature that a concurrent call adds must not be reported here.
        """
        if model_id not in self._remembered:
            known = self._memory.unsupported_by(model_id)
            self._remembered[model_id] = tuple(stored for stored in known if self._applies(model_id, stored))
        return self._remembered[model_id]

    def _applies(self, model_id: str, stored: UnsupportedFeature) -> bool:
        feature = find_feature(stored.feature)
        return (
            feature is not None
            and self._may_change(feature)
            and stored.operation == self._operation
            and stored.condition == feature.condition(self._complete(model_id))
        )
