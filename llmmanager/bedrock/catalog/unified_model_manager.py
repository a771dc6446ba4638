"""What the library knows of model access, from memory, a store, the bundled snapshot and Bedrock itself."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from llmmanager.bedrock.catalog.bedrock_api import BedrockCatalogSource, ClientFactory, FetchResult
from llmmanager.bedrock.catalog.entries import (
    AccessMethod,
    Catalog,
    ModelAccess,
    ModelEntry,
    RegionCatalog,
)
from llmmanager.bedrock.catalog.facts import facts_of
from llmmanager.bedrock.catalog.layers import CatalogLayers
from llmmanager.bedrock.catalog.names import ResolvedModel, UnknownNameError
from llmmanager.bedrock.catalog.stores import CatalogStore, FileStore
from llmmanager.bedrock.exceptions.llm_manager_exceptions import ConfigurationError, LLMManagerError
from llmmanager.bedrock.forks import after_fork, new_lock

_REGION = re.compile(r"[a-z]{2,}(-[a-z]+)+-\d+")


class UnifiedModelManager:
    """Answers which model can be called where; safe to share between threads and managers.

    Memory comes first, then the store, then the bundled snapshot. Bedrock's API is asked only when these
    know no such name or no target, when AWS contradicts them, and on refresh.

    Args:
        regions: the regions to ask Bedrock about; all known ones when not given.
        store: where the catalog is kept between processes.
        client_factory: makes boto3 clients from a service's name and a region; by default from a new session.
        ask_api: False asks Bedrock only in `refresh_unified_data` and for a name that is not known.
        directory: keeps the catalog in files there, instead of a store. Nothing is written otherwise.

    Raises:
        ConfigurationError: a region is not an AWS region's name, or both store and directory were given.
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
            raise ConfigurationError(
                "store and directory exclude each other: the catalog is kept in one place",
                {"directory": directory},
            )
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

    # ---- what the invocation loop needs

    @property
    def regions(self) -> tuple[str, ...]:
        """The regions that Bedrock is asked about; empty stands for all."""
        return self._layers.regions

    def add_regions(self, regions: Iterable[str]) -> None:
        """Take further regions into what the store and Bedrock are asked about.

        Raises:
            ConfigurationError: a region is not an AWS region's name.
        """
        self._layers.add_regions(_checked_regions(regions))

    def resolve(self, name: str) -> ResolvedModel:
        """The model that a name stands for. A name or id that nothing knows is looked up once.

        Raises:
            ConfigurationError: no model has the name, or several have it; the message lists what is near.
        """

        def is_known() -> bool:
            try:
                found = self._layers.names.resolve(name)
            except UnknownNameError:
                return False
            return found.known or found.region is not None

        self._layers.look_up_unless(is_known, self._layers.regions_to_ask(), ask=True)
        try:
            return self._layers.names.resolve(name)
        except UnknownNameError as error:
            if not self._layers.errors:
                raise
            raise UnknownNameError(
                f"{error.message}. Bedrock could not be asked about it: {_summary(self._layers.errors)}",
                error.invalid_config,
            ) from error

    def access(
        self, model: str | ResolvedModel, region: str, *, order: Sequence[str] = tuple(AccessMethod)
    ) -> tuple[ModelAccess, ...]:
        """The ways in to a model in a region, best first; empty when the catalog knows none.

        On-demand comes before the geographic profile and that before the global one, unless `order` has
        them otherwise, and last what AWS has refused before. Never asks Bedrock.

        Raises:
            ConfigurationError: a name that nothing knows.
        """
        resolved = self._resolved(model)
        denied = self._denied.get((resolved.model_id, region), frozenset())

        def rank(way: ModelAccess) -> tuple[bool, int]:
            method = way.access_method
            return method in denied, order.index(method) if method in order else len(order)

        return tuple(sorted(self._ways_in(resolved, region), key=rank))

    def ensure_access(
        self,
        models: Iterable[str | ResolvedModel],
        regions: Iterable[str] | None = None,
        *,
        timeout: float | None = None,
    ) -> bool:
        """Whether any of these models can be called in any of these regions (or those configured).

        When nothing known says so, the store and then Bedrock are asked, unless that was done lately.

        Args:
            timeout: seconds to wait for Bedrock at most; 15 when not given.

        Raises:
            ConfigurationError: a name that nothing knows.
        """
        wanted = [m if isinstance(m, ResolvedModel) else self.resolve(m) for m in models]
        places = self._layers.regions_to_ask() if regions is None else _checked_regions(regions)

        def has_target() -> bool:
            return any(self.access(model, region) for model in wanted for region in places)

        self._layers.look_up_unless(has_target, places, ask=self._ask_api, timeout=timeout)
        return has_target()

    def learn(
        self,
        model: str | ResolvedModel,
        region: str,
        *,
        denied_method: AccessMethod | str | None,
        timeout: float | None = None,
    ) -> tuple[ModelAccess, ...]:
        """Remember that AWS refused a way in, for as long as this manager lives; it goes last from now on.

        When no other way in is known, the store and then Bedrock are asked about the region, unless that
        was done lately.

        Args:
            denied_method: the `access_method` of the target that was refused.
            timeout: seconds to wait for Bedrock at most; 15 when not given.

        Returns:
            What `access` now answers.
        """
        resolved = self._resolved(model)
        method = None if denied_method is None else AccessMethod(denied_method)
        key = (resolved.model_id, region)
        with self._lock:
            denied = self._denied[key] = self._denied.get(key, frozenset()) | {method}

        def has_another() -> bool:
            return any(way.access_method not in denied for way in self.access(resolved, region))

        self._layers.look_up_unless(has_another, [region], ask=self._ask_api, timeout=timeout)
        return self.access(resolved, region)

    def look_again(self, *, timeout: float | None = None) -> None:
        """AWS contradicts what is known: read the store and ask Bedrock about all configured regions.

        Neither is done again within five minutes.

        Args:
            timeout: seconds to wait for Bedrock at most; 15 when not given.
        """
        regions = self._layers.regions_to_ask()
        self._layers.look_up_unless(lambda: False, regions, ask=self._ask_api, timeout=timeout)

    def where(self, model: str | ResolvedModel) -> str:
        """A sentence on where a model can be had, for an error's text."""
        resolved = self._resolved(model)
        regions = self._layers.catalog.regions_of(resolved.model_id)
        facts = facts_of(resolved.model_id)
        if resolved.region:
            return f"it lives in {resolved.region} and can be called there only"
        subject = f"{resolved.model_name} ({resolved.model_id})"
        if regions:
            ends = f"; its end of life was announced for {facts.eol_date}" if facts and facts.eol_date else ""
            return f"{subject} can be called in {', '.join(regions)}{ends}"
        if facts:
            return f"{subject} is retired: no region is known to offer it any more"
        return f"{subject} is not in the catalog, so where it can be called is not known"

    # ---- layers

    def ensure_data_available(self) -> Catalog:
        """Everything known at present; reads the store when that was not done yet."""
        return self._layers.catalog

    def load_cached_data(self) -> Catalog | None:
        """Read the store again; None when there is none or it holds nothing about the regions."""
        return self._layers.catalog if self._layers.read_store() else None

    def refresh_unified_data(self, force_download: bool | None = None) -> FetchResult:
        """Ask Bedrock about all configured regions at once, and store what it says.

        Args:
            force_download: False asks only about regions that the store does not hold.

        Returns:
            What Bedrock said by region, and the errors of regions that failed; those keep what was known.

        Raises:
            LLMManagerError: every region failed.
        """
        regions = self._layers.regions_to_ask()
        if force_download is False:
            stored = self._layers.read_store()
            regions = tuple(region for region in regions if region not in stored)
        result = self._layers.ask(regions)
        with self._lock:
            self._denied = {key: ways for key, ways in self._denied.items() if key[1] not in result.regions}
        if result.errors and not result.regions:
            raise LLMManagerError(
                f"Bedrock told nothing about models, what was known is kept: {_summary(result.errors)}",
                {"errors": {region: repr(error) for region, error in result.errors.items()}},
            )
        return result

    def get_cache_status(self) -> dict[str, Any]:
        """How much is known of each configured region, and how old it is (`age_seconds`)."""
        catalog = self._layers.catalog
        known = [offered for r in self._layers.regions_to_ask() if (offered := catalog.region(r))]
        return {
            "store": type(self._store).__name__ if self._store is not None else None,
            "exists": any(offered.refreshed_at for offered in known),
            "regions": {offered.region: _status(offered) for offered in known},
            "errors": {region: repr(error) for region, error in self._layers.errors.items()},
        }

    # ---- questions; none of them asks Bedrock

    def get_model_access_info(
        self, model_name: str, region: str, *, order: Sequence[str] = tuple(AccessMethod)
    ) -> dict[str, Any] | None:
        """How a model is called in a region; None where there is no access or no such model.

        Returns:
            `model_id`, `region`, `access_method` (the preferred one), `access_methods` (all, preferred
            first) and `inference_profile_id` (the preferred profile, or None).
        """
        ways = self._known_ways_in(model_name, region, order)
        if not ways:
            return None
        methods = [str(way.access_method) for way in ways if way.access_method]
        return {
            "model_id": ways[0].model_id,
            "access_method": methods[0] if methods else None,
            "region": region,
            "access_methods": methods,
            "inference_profile_id": next(
                (w.inference_profile_id for w in ways if w.inference_profile_id), None
            ),
        }

    def get_recommended_access(self, model_name: str, region: str) -> ModelAccess | None:
        """The preferred way in to a model in a region; None where there is none."""
        return next(iter(self._known_ways_in(model_name, region)), None)

    def is_model_available_in_region(self, model_name: str, region: str) -> bool:
        """Whether there is a way in to the model in the region."""
        return bool(self._known_ways_in(model_name, region))

    def get_models_by_region(self, region: str) -> dict[str, ModelEntry]:
        """What a region offers, by display name."""
        offered = self._layers.catalog.region(region)
        return _by_name(offered.entries) if offered else {}

    def get_models_by_provider(self, provider: str) -> dict[str, ModelEntry]:
        """A provider's models that some region offers, by display name. Case does not matter."""
        wanted = provider.casefold()
        models = self._layers.catalog.models
        return _by_name({id_: entry for id_, entry in models.items() if entry.provider.casefold() == wanted})

    def get_all_supported_regions(self) -> list[str]:
        """Every region of which something is known, sorted."""
        return list(self._layers.catalog.region_names)

    def get_model_names(self) -> list[str]:
        """The display names of all models that some region offers, sorted."""
        return sorted(_by_name(self._layers.catalog.models))

    def get_streaming_models(self) -> list[str]:
        """The display names of the models that can stream, sorted."""
        models = self._layers.catalog.models
        return sorted(name for name, entry in _by_name(models).items() if entry.streaming)

    def get_model_count(self) -> int:
        """How many models some region offers."""
        return len(self._layers.catalog.models)

    def has_model(self, model_name: str) -> bool:
        """Whether some region offers a model of this name or id."""
        return bool(self.get_regions_for_model(model_name))

    def get_regions_for_model(self, model_name: str) -> list[str]:
        """The regions in which a model can be called, sorted; none for a name that is not known."""
        return [r for r in self.get_all_supported_regions() if self._known_ways_in(model_name, r)]

    # ---- inside

    def _resolved(self, model: str | ResolvedModel) -> ResolvedModel:
        return model if isinstance(model, ResolvedModel) else self._layers.names.resolve(model)

    def _known_ways_in(
        self, name: str, region: str, order: Sequence[str] = tuple(AccessMethod)
    ) -> tuple[ModelAccess, ...]:
        try:
            resolved = self._resolved(name)
        except ConfigurationError:
            return ()
        return self.access(resolved, region, order=order) if resolved.known or resolved.region else ()

    def _ways_in(self, resolved: ResolvedModel, region: str) -> tuple[ModelAccess, ...]:
        names = self._layers.names
        offered = names.catalog.access(resolved.model_id, region)
        pinned = resolved.pinned_invoke_id
        if pinned is None or (offered and not resolved.known):
            return offered
        if names.has_profile(pinned):
            return tuple(way for way in offered if way.invoke_id == pinned)
        if resolved.region not in (None, region):
            return ()
        return (_passed_through(resolved, region, pinned),)


def _passed_through(resolved: ResolvedModel, region: str, invoke_id: str) -> ModelAccess:
    profile_of_known = resolved.known and invoke_id.endswith(f".{resolved.model_id}")
    return ModelAccess(
        resolved.model_id,
        resolved.model_name,
        region,
        AccessMethod.of_profile(invoke_id) if profile_of_known else None,
        invoke_id,
        invoke_id if profile_of_known or "inference-profile/" in invoke_id else None,
    )


def _by_name(entries: Mapping[str, ModelEntry]) -> dict[str, ModelEntry]:
    """By display name; of several models that share one, the base model, whose id is the shortest."""
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
    wrong = [region for region in listed if not isinstance(region, str) or not _REGION.fullmatch(region)]
    if wrong or isinstance(regions, str):
        raise ConfigurationError(
            f'regions takes a list of AWS region names such as "us-east-1" (got {wrong or regions!r})',
            {"regions": listed},
        )
    return tuple(dict.fromkeys(listed))
