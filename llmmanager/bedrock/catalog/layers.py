"""The catalog's layers: memory, a store, the bundled snapshot, and Bedrock for missing data."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from llmmanager.bedrock.catalog.bedrock_api import BedrockCatalogSource, FetchResult
from llmmanager.bedrock.catalog.catalog_entries import Catalog, RegionCatalog
from llmmanager.bedrock.catalog.names import NameResolver, ResolvedModel, application_profile_region
from llmmanager.bedrock.catalog.snapshot import load_snapshot
from llmmanager.bedrock.catalog.stores import CatalogStore
from llmmanager.bedrock.forks import after_fork

# Minimum time between two queries of the store or of a region for missing data.
LOOK_UP_INTERVAL_SECONDS = 300.0
# The same after a failed query.
FAILED_LOOK_UP_INTERVAL_SECONDS = 30.0
# A call waits for a look-up. It must not wait longer.
LOOK_UP_TIMEOUT_SECONDS = 15.0

_STORE = "the store"

_log = logging.getLogger(__name__)


class CatalogLayers:
    """The current catalog, and the methods to refresh it. Thread-safe.

    Args:
        source: fetches data from Bedrock.
        store: read before Bedrock is called, and written after it; None for no store.
        regions: the configured regions; empty for all known regions.
    """

    def __init__(
        self, source: BedrockCatalogSource, *, store: CatalogStore | None, regions: tuple[str, ...]
    ) -> None:
        self._source = source
        self._store = store
        self._regions = regions
        self._names: NameResolver | None = None
        self._errors: Mapping[str, Exception] = {}
        self._not_before: dict[str, float] = {}
        self._profile_errors: dict[str, Exception] = {}
        self._new_locks()
        after_fork(self, CatalogLayers._new_locks)

    def _new_locks(self) -> None:
        self._update_lock = threading.RLock()
        self._query_lock = threading.Lock()

    @property
    def names(self) -> NameResolver:
        """The name resolver for the current catalog."""
        if self._names is None:
            with self._update_lock:
                if self._names is None:
                    stored = self._load_stored()
                    self._names = NameResolver(Catalog(load_snapshot()).merge(stored.values()))
        return self._names

    @property
    def catalog(self) -> Catalog:
        """The current catalog."""
        return self.names.catalog

    @property
    def regions(self) -> tuple[str, ...]:
        """The configured regions; empty for all known regions."""
        return self._regions

    @property
    def errors(self) -> Mapping[str, Exception]:
        """The errors of the last fetch by region."""
        return self._errors

    def regions_to_fetch(self) -> tuple[str, ...]:
        """Return the configured regions, or all known regions."""
        return self._regions or self.catalog.region_names

    def add_regions(self, regions: Iterable[str]) -> None:
        """Add configured regions, and read them from the store."""
        with self._update_lock:
            merged = tuple(dict.fromkeys((*self._regions, *regions)))
            if merged == self._regions:
                return
            self._regions = merged
            if self._names is not None:
                self.read_store()

    def read_store(self) -> Mapping[str, RegionCatalog]:
        """Read the configured regions from the store into the catalog, and return them."""
        stored = self._load_stored()
        self._merge(stored.values())
        return stored

    def fetch(self, regions: Iterable[str]) -> FetchResult:
        """Fetch these regions from Bedrock and Service Quotas, and store the result."""
        with self._query_lock:
            return self._fetch(list(regions), quotas=True)

    def look_up_unless(
        self,
        satisfied: Callable[[], bool],
        regions: Iterable[str],
        *,
        call_api: bool,
        timeout: float | None = None,
    ) -> None:
        """Query the store, then Bedrock, until `satisfied` returns True or both are queried.

        Only one thread queries at a time. Other threads wait for its result.

        Args:
            satisfied: whether the catalog contains the required data.
            regions: the regions to fetch from Bedrock.
            call_api: False queries only the store.
            timeout: maximum seconds to wait; None for `LOOK_UP_TIMEOUT_SECONDS`.
        """
        if satisfied():
            return
        seconds = LOOK_UP_TIMEOUT_SECONDS if timeout is None else max(0.0, timeout)
        end = time.monotonic() + seconds
        if not self._query_lock.acquire(timeout=seconds):
            return
        try:
            self._look_up(satisfied, list(regions), call_api=call_api, end=end)
        finally:
            self._query_lock.release()

    def with_application_profile(self, resolved: ResolvedModel) -> ResolvedModel:
        """Return the model with the model behind its ARN, if that is one of an application inference profile.

        Bedrock is asked for it once. After an error, it is not asked again for some seconds.
        """
        arn = resolved.model_id
        region = application_profile_region(arn)
        if region is None:
            return resolved
        with self._query_lock:
            if self._due([arn]) and self.catalog.application_profile(arn) is None:
                self._fetch_profile(arn, region)
        if self.catalog.application_profile(arn):
            return self.names.resolve(resolved.requested)
        warning = (
            f'The model of "{resolved.requested}" is unknown ({self._profile_errors.get(arn)}): its price, '
            "quota and features are not known. To read it, allow bedrock:GetInferenceProfile"
        )
        return replace(resolved, warnings=(warning,))

    def _fetch_profile(self, arn: str, region: str) -> None:
        offered = self.catalog.region(region) or RegionCatalog(region, {})
        try:
            profile = self._source.fetch_profile(arn, offered, timeout=LOOK_UP_TIMEOUT_SECONDS)
        except Exception as error:
            self._postpone([arn], FAILED_LOOK_UP_INTERVAL_SECONDS)
            self._profile_errors[arn] = error
        else:
            self._merge([replace(offered, application_profiles={arn: profile}).with_profiles_from(offered)])

    def _look_up(
        self, satisfied: Callable[[], bool], regions: list[str], *, call_api: bool, end: float
    ) -> None:
        # Another thread may have fetched the data while this thread waited.
        if satisfied():
            return
        if self._due([_STORE]):
            self.read_store()
            self._postpone([_STORE], LOOK_UP_INTERVAL_SECONDS)
        due = self._due(regions)
        left = end - time.monotonic()
        if call_api and due and left > 0 and not satisfied():
            self._fetch(due, timeout=left)

    def _due(self, keys: Iterable[str]) -> list[str]:
        now = time.monotonic()
        return [key for key in keys if self._not_before.get(key, now) <= now]

    def _postpone(self, keys: Iterable[str], seconds: float) -> None:
        self._not_before.update(dict.fromkeys(keys, time.monotonic() + seconds))

    def _fetch(
        self, regions: list[str], *, timeout: float | None = None, quotas: bool = False
    ) -> FetchResult:
        result = self._source.fetch(regions, timeout=timeout, quotas=quotas)
        self._postpone(result.regions, LOOK_UP_INTERVAL_SECONDS)
        self._postpone(result.errors, FAILED_LOOK_UP_INTERVAL_SECONDS)
        self._errors = result.errors
        self._merge(result.regions.values())
        for offered in result.regions.values():
            # The merged catalog keeps previous quotas for a region that was fetched without quotas.
            self._save(self.catalog.region(offered.region) or offered)
        return result

    def _merge(self, regions: Iterable[RegionCatalog]) -> None:
        with self._update_lock:
            catalog = self.catalog
            merged = catalog.merge(regions)
            if merged is not catalog:
                self._names = NameResolver(merged)

    def _load_stored(self) -> Mapping[str, RegionCatalog]:
        if self._store is None:
            return {}
        try:
            return self._store.load_all(self._regions or None)
        except Exception as error:
            # A caller's store can raise anything. The snapshot and Bedrock are used instead.
            _log.warning("The catalog's store could not be read: %s", error)
            return {}

    def _save(self, offered: RegionCatalog) -> None:
        if self._store is None:
            return
        try:
            self._store.save(offered)
        except Exception as error:
            _log.warning("The catalog of %s could not be stored: %s", offered.region, error)
