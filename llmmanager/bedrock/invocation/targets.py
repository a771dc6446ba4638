"""The targets of a manager: its models in its regions, with the access methods in the catalog."""

from __future__ import annotations

import math
from collections.abc import Sequence

from llmmanager.bedrock.catalog.catalog_entries import ModelAccess
from llmmanager.bedrock.catalog.names import ResolvedModel
from llmmanager.bedrock.catalog.unified_model_manager import UnifiedModelManager
from llmmanager.bedrock.exceptions.llm_manager_exceptions import ConfigurationError
from llmmanager.bedrock.models.llm_manager_structures import RetryConfig, RetryStrategy

TargetGroup = tuple[ModelAccess, ...]


class Targets:
    """The targets of a manager in the order of its retry strategy.

    A group contains the targets of one model in one region: one for each access method, preferred first.

    Attributes:
        model_ids: the ids of the models, in order.
        warnings: messages for the caller about the names.

    Raises:
        ConfigurationError: models or regions are not sequences of names, a name is unknown or ambiguous, no
            model can be called in any of the regions (the message names its regions), or the cost is limited
            and the first model has no known price.
    """

    def __init__(
        self,
        catalog: UnifiedModelManager,
        models: Sequence[str],
        regions: Sequence[str],
        retry_config: RetryConfig,
    ) -> None:
        self.regions = _distinct(_names("regions", regions))
        catalog.add_regions(self.regions)
        self._catalog = catalog
        self._strategy = retry_config.retry_strategy
        self._access_order = retry_config.access_method_order
        self._models = _distinct_models([catalog.resolve(name) for name in _names("models", models)])
        self._groups: dict[tuple[str, ...], tuple[TargetGroup, ...]] = {}
        self.model_ids = tuple(model.model_id for model in self._models)
        self.warnings = tuple(warning for model in self._models for warning in model.warnings)
        self.required()
        if retry_config.max_cost_multiple is not None:
            # Imported here, since few managers limit the cost.
            from llmmanager.bedrock.invocation.cost_limit import check_first_price, unpriced

            check_first_price(self.first())
            self.warnings += tuple(unpriced(self.groups()))

    def groups(self, regions: Sequence[str] | None = None) -> tuple[TargetGroup, ...]:
        """Return the known target groups in the order of the retry strategy.

        Args:
            regions: some of the manager's regions, in this order; None for all.

        Raises:
            ConfigurationError: regions are empty, a string, or not regions of the manager.
        """
        key = tuple(self.regions if regions is None else regions)
        groups = self._groups.get(key)
        if groups is None:
            if not key or not set(key) <= set(self.regions):
                known = ", ".join(self.regions)
                raise ConfigurationError(
                    f"regions must be some of {known}, as a list or tuple (got {regions!r})",
                    {"regions": regions},
                )
            by_name = {model.requested: model for model in self._models}
            pairs = ordered_pairs(list(by_name), key, self._strategy)
            found = (self._group(by_name[name], region) for name, region in pairs)
            groups = self._groups[key] = tuple(group for group in found if group)
        return groups

    def model_id(self, name: str | None) -> str:
        """Return the id of a model of the manager by any of its names; of the first model for None.

        Raises:
            ConfigurationError: the name is unknown, or not of a model of the manager.
        """
        if name is None:
            return self.model_ids[0]
        model_id = self._catalog.resolve(name).model_id
        if model_id not in self.model_ids:
            known = ", ".join(model.requested for model in self._models)
            raise ConfigurationError(
                f"model must be one of the manager's models, {known} (got {name!r})", {"model": name}
            )
        return model_id

    def regions_of(self, model_id: str) -> tuple[str, ...]:
        """Return the regions in which a model can be called, in order; all regions if none is known."""
        groups = (group[0] for group in self.groups())
        found = [target.region for target in groups if target.model_id == model_id]
        return tuple(dict.fromkeys(found)) or tuple(self.regions)

    def first(self, regions: Sequence[str] | None = None) -> ModelAccess:
        """Return the first target of the first model, preferably in these regions."""
        model = self._models[0]
        for group in (*self.groups(regions), *self.groups()):
            if group[0].model_id == model.model_id:
                return group[0]
        return ModelAccess(model.model_id, model.requested, self.regions[0], None, model.model_id)

    def required(self, regions: Sequence[str] | None = None) -> tuple[TargetGroup, ...]:
        """Return `groups`. If no target is known, query the store and Bedrock.

        Raises:
            ConfigurationError: there is no target. The message names the regions of the models.
        """
        groups = self.groups(regions)
        if groups:
            return groups
        requested = list(self.regions if regions is None else regions)
        if self._catalog.ensure_access(self._models, requested):
            self.forget()
            groups = self.groups(regions)
        if not groups:
            raise ConfigurationError(
                f"none of the models can be called in {', '.join(requested)}: "
                f"{'; '.join(self.gaps(requested))}",
                {"models": [model.requested for model in self._models], "regions": requested},
            )
        return groups

    def access_method_rejected(self, target: ModelAccess, remaining: float) -> TargetGroup:
        """Record that AWS rejected the access method of a target. Return the other targets of its group.

        Args:
            target: the rejected target.
            remaining: maximum seconds for a call to Bedrock about the region.
        """
        targets: list[ModelAccess] = []
        for model in self._models:
            if target in self._group(model, target.region):
                targets += self._catalog.record_rejection(
                    model,
                    target.region,
                    denied_method=target.access_method,
                    timeout=None if remaining == math.inf else remaining,
                )
        self.forget()
        return tuple(other for other in targets if other.invoke_id != target.invoke_id)

    def refresh_catalog(self, remaining: float) -> None:
        """Refresh the catalog from the store and Bedrock, at most every five minutes.

        Args:
            remaining: maximum seconds for calls to Bedrock.
        """
        self._catalog.refresh_catalog(timeout=None if remaining == math.inf else remaining)
        self.forget()

    def forget(self) -> None:
        """Clear the cached groups after a change of the catalog."""
        self._groups = {}

    def gaps(self, regions: Sequence[str] | None = None) -> list[str]:
        """Return a message for each model that cannot be called in some of the regions."""
        messages = []
        for model in self._models:
            requested = self.regions if regions is None else regions
            missing = [region for region in requested if not self._group(model, region)]
            if missing:
                messages.append(
                    f"{model.requested!r} cannot be called in {', '.join(missing)} "
                    f"({self._catalog.describe_regions(model)})"
                )
        return messages

    def _group(self, model: ResolvedModel, region: str) -> TargetGroup:
        return self._catalog.access(model, region, order=self._access_order)


def ordered_pairs(
    models: Sequence[str], regions: Sequence[str], strategy: RetryStrategy
) -> list[tuple[str, str]]:
    """Return every (model, region) in the documented order of the strategy."""
    if strategy is RetryStrategy.MODEL_FIRST:
        return [(model, region) for region in regions for model in models]
    return [(model, region) for model in models for region in regions]


def _names(parameter: str, names: Sequence[str]) -> list[str]:
    """Return the names as a list. Raise ConfigurationError unless they are a sequence of names."""
    if isinstance(names, str):
        raise ConfigurationError(
            f"{parameter} must be a list or tuple of names, not a string: use [{names!r}]", {parameter: names}
        )
    if not isinstance(names, Sequence) or isinstance(names, bytes | bytearray | memoryview) or not names:
        raise ConfigurationError(
            f"{parameter} must be a list or tuple of at least one name (got {names!r})", {parameter: names}
        )
    for name in names:
        if not isinstance(name, str) or not name.strip():
            raise ConfigurationError(
                f"{parameter} must contain only names (got {name!r})", {parameter: list(names)}
            )
    return list(names)


def _distinct(names: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(names))


def _distinct_models(models: Sequence[ResolvedModel]) -> list[ResolvedModel]:
    """Return the models without duplicates, also if they have different names."""
    return list({(model.model_id, model.pinned_invoke_id): model for model in reversed(models)}.values())[
        ::-1
    ]
