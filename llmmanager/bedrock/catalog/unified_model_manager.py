"""UnifiedModelManager: the model catalog from memory, a store, the bundled snapshot and Bedrock."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from llmmanager.bedrock.catalog.bedrock_api import BedrockCatalogSource, ClientFactory, FetchResult
from llmmanager.bedrock.catalog.catalog_entries import (
    AccessMethod,
    Catalog,
    ModelAccess,
    ModelEntry,
    RegionCatalog,
)
from llmmanager.bedrock.catalog.layers import CatalogLayers
from llmmanager.bedrock.catalog.model_table import model_data
from llmmanager.bedrock.catalog.names import ResolvedModel, UnknownNameError
from llmmanager.bedrock.catalog.stores import CatalogStore, FileStore
from llmmanager.bedrock.exceptions.llm_manager_exceptions import ConfigurationError, LLMManagerError
from llmmanager.bedrock.forks import after_fork, new_lock

_REGION = re.compile(r"[a-z]{2,}(-[a-z]+)+-\d+")


class UnifiedModelManager:
    """The catalog of models, regions and access methods. Threads and managers can share one.

    The catalog is read from memory, then from the store, then from the bundled snapshot. Bedrock's API is
    called for an unknown name, if no target is known, if AWS rejects a known target, and by a refresh. Other
    methods than `resolve`, `ensure_access`, `record_rejection`, `refresh_catalog` and `refresh_unified_data`
    do not call Bedrock.

    Args:
        regions: the regions for which Bedrock is called; None for all known regions. A manager adds its own.
        store: stores the catalog between processes.
        client_factory: creates a boto3 client for a service name and a region; by default from a new session.
        ask_api: whether Bedrock is called at other times than in `refresh_unified_data` and for an unknown
            name or application inference profile.
        directory: stores the catalog in files in this directory, instead of `store`.

    Raises:
        ConfigurationError: a region is not the name of an AWS region, or both store and directory are set.
    """

    def __init__(
        self,
        *,
        regions: Iterable[str] | None = None,
        store: CatalogStore | None = None,
        client_factory: ClientFactory | None = None,
        ask_api: bool = True,
        directory: str | os.PathLike[str] | None = None,
    ) -> None:
        if store is not None and directory is not None:
            raise ConfigurationError("store and directory cannot be set together", {"directory": directory})
        self._store = FileStore(directory) if directory is not None else store
        self._layers = CatalogLayers(
            BedrockCatalogSource(client_factory),
            store=self._store,
            regions=() if regions is None else _checked_regions(regions),
        )
        self._ask_api = ask_api
        self._denied: dict[tuple[str, str], frozenset[AccessMethod | None]] = {}
        self._lock = threading.Lock()
        after_fork(self, new_lock)

    @property
    def regions(self) -> tuple[str, ...]:
        """The configured regions; empty for all known regions."""
        return self._layers.regions

    def add_regions(self, regions: Iterable[str]) -> None:
        """Add configured regions.

        Raises:
            ConfigurationError: a region is not the name of an AWS region.
        """
        self._layers.add_regions(_checked_regions(regions))

    def resolve(self, name: str) -> ResolvedModel:
        """Return the model for a name. The store and Bedrock are queried for an unknown name.

        Bedrock is asked once for the model behind the ARN of an application inference profile.

        Raises:
            ConfigurationError: no model or more than one model has the name. The message lists similar names.
        """

        def is_known() -> bool:
            try:
                found = self._layers.names.resolve(name)
            except UnknownNameError:
                return False
            return found.known or found.region is not None

        self._layers.look_up_unless(is_known, self._layers.regions_to_fetch(), call_api=True)
        try:
            return self._layers.with_application_profile(self._layers.names.resolve(name))
        except UnknownNameError as error:
            if not self._layers.errors:
                raise
            raise UnknownNameError(
                f"{error.message}. Bedrock's model list is not available: {_summary(self._layers.errors)}",
                error.invalid_config,
            ) from error

    def access(
        self, model: str | ResolvedModel, region: str, *, order: Sequence[str] = tuple(AccessMethod)
    ) -> tuple[ModelAccess, ...]:
        """Return the access methods of a model in a region in the given order of preference.

        Access methods that AWS rejected before are last.

        Raises:
            ConfigurationError: the name is unknown.
        """
        resolved = self._resolved(model)
        denied = self._denied.get((resolved.called_id, region), frozenset())

        def rank(target: ModelAccess) -> tuple[bool, int]:
            method = target.access_method
            return method in denied, order.index(method) if method in order else len(order)

        return tuple(sorted(self._targets(resolved, region), key=rank))

    def ensure_access(
        self,
        models: Iterable[str | ResolvedModel],
        regions: Iterable[str] | None = None,
        *,
        timeout: float | None = None,
    ) -> bool:
        """Whether any of these models can be called in any of these regions (by default the configured ones).

        If no target is known, the store and then Bedrock are queried, at most every five minutes and for at
        most `timeout` seconds (None: 15).

        Raises:
            ConfigurationError: a name is unknown.
        """
        resolved = [m if isinstance(m, ResolvedModel) else self.resolve(m) for m in models]
        checked = self._layers.regions_to_fetch() if regions is None else _checked_regions(regions)

        def has_target() -> bool:
            return any(self.access(model, region) for model in resolved for region in checked)

        self._layers.look_up_unless(has_target, checked, call_api=self._ask_api, timeout=timeout)
        return has_target()

    def record_rejection(
        self,
        model: str | ResolvedModel,
        region: str,
        *,
        denied_method: AccessMethod | str | None,
        timeout: float | None = None,
    ) -> tuple[ModelAccess, ...]:
        """Record that AWS rejected an access method, and return the result of `access` after that.

        The access method becomes the last choice until the next refresh. If no other one is known, the store
        and then Bedrock are queried for the region, at most every five minutes and for at most `timeout`
        seconds (None: 15). `denied_method` is the `access_method` of the rejected target.
        """
        resolved = self._resolved(model)
        method = None if denied_method is None else AccessMethod(denied_method)
        key = (resolved.called_id, region)
        with self._lock:
            denied = self._denied[key] = self._denied.get(key, frozenset()) | {method}

        def has_another() -> bool:
            return any(target.access_method not in denied for target in self.access(resolved, region))

        self._layers.look_up_unless(has_another, [region], call_api=self._ask_api, timeout=timeout)
        return self.access(resolved, region)

    def refresh_catalog(self, *, timeout: float | None = None) -> None:
        """Read the store and call Bedrock for all configured regions, at most every five minutes.

        It waits at most `timeout` seconds (None: 15).
        """
        regions = self._layers.regions_to_fetch()
        self._layers.look_up_unless(lambda: False, regions, call_api=self._ask_api, timeout=timeout)

    def describe_regions(self, model: str | ResolvedModel) -> str:
        """Return a sentence that names the regions of a model."""
        resolved = self._resolved(model)
        regions = self._layers.catalog.regions_of(resolved.model_id)
        data = model_data(resolved.model_id)
        if resolved.region:
            return f"its ARN is valid in {resolved.region} only"
        subject = f"{resolved.model_name} ({resolved.model_id})"
        if regions:
            ends = f"; its end of life was announced for {data.eol_date}" if data and data.eol_date else ""
            return f"{subject} can be called in {', '.join(regions)}{ends}"
        if data:
            return f"{subject} is retired: no known region offers it"
        return f"{subject} is not in the catalog: its regions are unknown"

    def ensure_data_available(self) -> Catalog:
        """Return the current catalog. The first call reads the store."""
        return self._layers.catalog

    def load_cached_data(self) -> Catalog | None:
        """Read the store again, and return the catalog; None if nothing is stored about the regions."""
        return self._layers.catalog if self._layers.read_store() else None

    def refresh_unified_data(self, force_download: bool | None = None) -> FetchResult:
        """Call Bedrock for all configured regions in parallel, store the result and return it.

        With `force_download=False`, Bedrock is called only for regions that are not in the store. For regions
        that failed, the previous data stays in use.

        Raises:
            LLMManagerError: every region failed.
        """
        regions = self._layers.regions_to_fetch()
        if force_download is False:
            stored = self._layers.read_store()
            regions = tuple(region for region in regions if region not in stored)
        result = self._layers.fetch(regions)
        with self._lock:
            self._denied = {
                key: methods for key, methods in self._denied.items() if key[1] not in result.regions
            }
        if result.errors and not result.regions:
            raise LLMManagerError(
                "The catalog could not be refreshed. Its previous data stays in use: "
                f"{_summary(result.errors)}",
                {"errors": {region: repr(error) for region, error in result.errors.items()}},
            )
        return result

    def get_cache_status(self) -> dict[str, Any]:
        """Return where the catalog comes from, and its age.

        Returns:
            A dict with `store` (name of its class, or None), `exists` (whether a region has data from
            Bedrock), `errors` (by region), and `regions`: for each a dict with `source`, `refreshed_at`,
            `age_seconds` and `models` (a number).
        """
        catalog = self._layers.catalog
        known = [offered for r in self._layers.regions_to_fetch() if (offered := catalog.region(r))]
        return {
            "store": type(self._store).__name__ if self._store is not None else None,
            "exists": any(offered.refreshed_at for offered in known),
            "regions": {offered.region: _status(offered) for offered in known},
            "errors": {region: repr(error) for region, error in self._layers.errors.items()},
        }

    def get_model_access_info(
        self, model_name: str, region: str, *, order: Sequence[str] = tuple(AccessMethod)
    ) -> dict[str, Any] | None:
        """Return how a model is called in a region, or None if it cannot be called there.

        Returns:
            A dict with `model_id`, `region`, `access_method` (the preferred one), `access_methods` (all,
            the preferred one first) and `inference_profile_id` (of the preferred profile, or None).
        """
        targets = self._known_targets(model_name, region, order)
        if not targets:
            return None
        methods = [str(target.access_method) for target in targets if target.access_method]
        return {
            "model_id": targets[0].model_id,
            "access_method": methods[0] if methods else None,
            "region": region,
            "access_methods": methods,
            "inference_profile_id": next(
                (target.inference_profile_id for target in targets if target.inference_profile_id), None
            ),
        }

    def get_recommended_access(self, model_name: str, region: str) -> ModelAccess | None:
        """Return the preferred access method of a model in a region, or None."""
        return next(iter(self._known_targets(model_name, region)), None)

    def is_model_available_in_region(self, model_name: str, region: str) -> bool:
        """Whether the model can be called in the region."""
        return bool(self._known_targets(model_name, region))

    def get_models_by_region(self, region: str) -> dict[str, ModelEntry]:
        """Return the models of a region by display name."""
        offered = self._layers.catalog.region(region)
        return _by_name(offered.entries) if offered else {}

    def get_models_by_provider(self, provider: str) -> dict[str, ModelEntry]:
        """Return the models of a provider by display name. The provider's name is not case-sensitive."""
        folded = provider.casefold()
        models = self._layers.catalog.models
        return _by_name({id_: entry for id_, entry in models.items() if entry.provider.casefold() == folded})

    def get_all_supported_regions(self) -> list[str]:
        """Return all known regions, sorted."""
        return list(self._layers.catalog.region_names)

    def get_model_names(self) -> list[str]:
        """Return the display names of all models, sorted."""
        return sorted(_by_name(self._layers.catalog.models))

    def get_streaming_models(self) -> list[str]:
        """Return the display names of all models with streaming, sorted."""
        models = self._layers.catalog.models
        return sorted(name for name, entry in _by_name(models).items() if entry.streaming)

    def get_model_count(self) -> int:
        """Return the number of models."""
        return len(self._layers.catalog.models)

    def has_model(self, model_name: str) -> bool:
        """Whether a model with this name or id can be called in a region."""
        return bool(self.get_regions_for_model(model_name))

    def get_regions_for_model(self, model_name: str) -> list[str]:
        """Return the regions in which a model can be called, sorted; an empty list for an unknown name."""
        return [r for r in self.get_all_supported_regions() if self._known_targets(model_name, r)]

    def _resolved(self, model: str | ResolvedModel) -> ResolvedModel:
        return model if isinstance(model, ResolvedModel) else self._layers.names.resolve(model)

    def _known_targets(
        self, name: str, region: str, order: Sequence[str] = tuple(AccessMethod)
    ) -> tuple[ModelAccess, ...]:
        try:
            resolved = self._resolved(name)
        except ConfigurationError:
            return ()
        return self.access(resolved, region, order=order) if resolved.known or resolved.region else ()

    def _targets(self, resolved: ResolvedModel, region: str) -> tuple[ModelAccess, ...]:
        names = self._layers.names
        offered = names.catalog.access(resolved.model_id, region)
        pinned = resolved.pinned_invoke_id
        if pinned is None or (offered and not resolved.known):
            return offered
        if names.has_profile(pinned):
            return tuple(target for target in offered if target.invoke_id == pinned)
        if resolved.region not in (None, region):
            return ()
        return (_passed_through(resolved, region, pinned),)


def _passed_through(resolved: ResolvedModel, region: str, invoke_id: str) -> ModelAccess:
    if profile := resolved.application_profile:
        method, source = profile.access_method, profile.source_profile_id
        return ModelAccess(
            resolved.model_id, resolved.model_name, region, method, invoke_id, invoke_id, source
        )
    profile_of_known = resolved.known and invoke_id.endswith(f".{resolved.model_id}")
    return ModelAccess(
        resolved.model_id,
        resolved.model_name,
        region,
        AccessMethod.from_profile(invoke_id) if profile_of_known else None,
        invoke_id,
        invoke_id if profile_of_known or "inference-profile/" in invoke_id else None,
    )


def _by_name(entries: Mapping[str, ModelEntry]) -> dict[str, ModelEntry]:
    """Return models by display name. Of models with the same name, the base model has the shortest id."""
    shortest_last = sorted(entries.values(), key=lambda entry: (-len(entry.model_id), entry.model_id))
    return {entry.model_name: entry for entry in shortest_last}


def _status(offered: RegionCatalog) -> dict[str, Any]:
    moment = offered.refreshed_at
    return {
        "source": "bedrock" if moment else "snapshot",
        "refreshed_at": moment.isoformat() if moment else None,
        "age_seconds": (datetime.now(UTC) - moment).total_seconds() if moment else None,
        "models": len(offered.entries),
    }


def _summary(errors: Mapping[str, Exception]) -> str:
    return "; ".join(f"{region}: {type(error).__name__}: {error}" for region, error in errors.items())


def _checked_regions(regions: Iterable[str]) -> tuple[str, ...]:
    listed = [regions] if isinstance(regions, str) or not isinstance(regions, Iterable) else list(regions)
    invalid = [region for region in listed if not isinstance(region, str) or not _REGION.fullmatch(region)]
    if invalid or isinstance(regions, str):
        raise ConfigurationError(
            f'regions must be a list of AWS region names such as "us-east-1" (got {invalid or regions!r})',
            {"regions": listed},
        )
    return tuple(dict.fromkeys(listed))
