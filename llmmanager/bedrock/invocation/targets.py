"""The targets of a manager: its models in its regions, through the ways in that the catalog knows."""

from __future__ import annotations

import math
from collections.abc import Sequence

from llmmanager.bedrock.catalog.catalog_entries import ModelAccess
from llmmanager.bedrock.catalog.names import ResolvedModel
from llmmanager.bedrock.catalog.unified_model_manager import UnifiedModelManager
from llmmanager.bedrock.exceptions.llm_manager_exceptions import ConfigurationError
from llmmanager.bedrock.models.llm_manager_structures import RetryConfig
from llmmanager.bedrock.routing.route import in_order

Place = tuple[ModelAccess, ...]


class Targets:
    """Which targets there are, in which order.

    Attributes:
        model_ids: the ids of the models, in order.
        warnings: what the caller should know of the names.

    Raises:
        ConfigurationError: models or regions are not sequences of names, a name is unknown or ambiguous, no
            model can be called in any of the regions (the message says where it can be had), or the cost is
            limited and the first model has no known price.
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
        self._places: dict[tuple[str, ...], tuple[Place, ...]] = {}
        self.model_ids = tuple(model.model_id for model in self._models)
        self.warnings = tuple(warning for model in self._models for warning in model.warnings)
        self.required()
        if retry_config.max_cost_multiple is not None:
            # Few managers limit the cost: the others do not load what compares it.
            from llmmanager.bedrock.invocation.cost_limit import check_first_price, unpriced

            check_first_price(self.first())
            self.warnings += tuple(unpriced(self.places()))

    def places(self, regions: Sequence[str] | None = None) -> tuple[Place, ...]:
        """The ways in for each model and region, in the order of the retry strategy.

        Args:
            regions: some of the manager's regions, in the order wanted; None for all.

        Raises:
            ConfigurationError: no region, a string instead of a sequence, or a region that is not the
                manager's.
        """
        key = tuple(self.regions if regions is None else regions)
        found = self._places.get(key)
        if found is None:
            if not key or not set(key) <= set(self.regions):
                known = ", ".join(self.regions)
                raise ConfigurationError(
                    f"regions must be some of {known}, as a list or tuple (got {regions!r})",
                    {"regions": regions},
                )
            by_name = {model.requested: model for model in self._models}
            pairs = in_order(list(by_name), key, self._strategy)
            ways = (self._ways(by_name[name], region) for name, region in pairs)
            found = self._places[key] = tuple(place for place in ways if place)
        return found

    def first(self, regions: Sequence[str] | None = None) -> ModelAccess:
        """Return the first target of the first model, in these regions where it can be called there."""
        model = self._models[0]
        for place in (*self.places(regions), *self.places()):
            if place[0].model_id == model.model_id:
                return place[0]
        return ModelAccess(model.model_id, model.requested, self.regions[0], None, model.model_id)

    def required(self, regions: Sequence[str] | None = None) -> tuple[Place, ...]:
        """Like `places`; when nothing known offers a target, the store and Bedrock are asked.

        Raises:
            ConfigurationError: there is no target; the message says where the models can be had.
        """
        found = self.places(regions)
        if found:
            return found
        wanted = list(self.regions if regions is None else regions)
        if self._catalog.ensure_access(self._models, wanted):
            self.forget()
            found = self.places(regions)
        if not found:
            raise ConfigurationError(
                f"none of the models can be called in {', '.join(wanted)}: {'; '.join(self.gaps(wanted))}",
                {"models": [model.requested for model in self._models], "regions": wanted},
            )
        return found

    def contradicted(self, target: ModelAccess, remaining: float) -> Place:
        """Take note of a way in that AWS refused; the other ways in that are known now.

        Args:
            remaining: seconds that Bedrock may take to be asked about the region.
        """
        ways: list[ModelAccess] = []
        for model in self._models:
            if target in self._ways(model, target.region):
                ways += self._catalog.learn(
                    model,
                    target.region,
                    denied_method=target.access_method,
                    timeout=None if remaining == math.inf else remaining,
                )
        self.forget()
        return tuple(way for way in ways if way.invoke_id != target.invoke_id)

    def look_again(self, remaining: float) -> None:
        """Hear anew what there is, unless that was done lately: AWS has contradicted what was known.

        Args:
            remaining: seconds that Bedrock may take to be asked.
        """
        self._catalog.look_again(timeout=None if remaining == math.inf else remaining)
        self.forget()

    def forget(self) -> None:
        """The catalog has changed: look targets up anew."""
        self._places = {}

    def gaps(self, regions: Sequence[str] | None = None) -> list[str]:
        """One sentence for each model that cannot be called in some of the regions."""
        sentences = []
        for model in self._models:
            wanted = self.regions if regions is None else regions
            missing = [region for region in wanted if not self._ways(model, region)]
            if missing:
                sentences.append(
                    f"{model.requested!r} cannot be called in {', '.join(missing)} "
                    f"({self._catalog.where(model)})"
                )
        return sentences

    def _ways(self, model: ResolvedModel, region: str) -> Place:
        return self._catalog.access(model, region, order=self._access_order)


def _names(what: str, names: Sequence[str]) -> list[str]:
    """Return the names as a list; raise ConfigurationError unless they are a sequence of names."""
    if isinstance(names, str):
        raise ConfigurationError(
            f"{what} must be a list or tuple of names, not a string: write [{names!r}]", {what: names}
        )
    if not isinstance(names, Sequence) or isinstance(names, bytes | bytearray | memoryview) or not names:
        raise ConfigurationError(
            f"{what} must be a list or tuple of at least one name (got {names!r})", {what: names}
        )
    for name in names:
        if not isinstance(name, str) or not name.strip():
            raise ConfigurationError(f"{what} must hold names only (got {name!r})", {what: list(names)})
    return list(names)


def _distinct(names: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(names))


def _distinct_models(models: Sequence[ResolvedModel]) -> list[ResolvedModel]:
    """A model named twice, under whatever names, is one model."""
    return list({(model.model_id, model.pinned_invoke_id): model for model in reversed(models)}.values())[
        ::-1
    ]
