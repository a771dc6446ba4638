"""The catalog's layers: memory, a store, the bundled snapshot, and Bedrock itself when these do not know."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping

from llmmanager.bedrock.catalog.bedrock_api import BedrockCatalogSource, FetchResult
from llmmanager.bedrock.catalog.catalog_entries import Catalog, RegionCatalog
from llmmanager.bedrock.catalog.names import NameResolver
from llmmanager.bedrock.catalog.snapshot import load_snapshot
from llmmanager.bedrock.catalog.stores import CatalogStore
from llmmanager.bedrock.forks import after_fork

# However often something is missing, neither the store nor a region is asked again within this time,
LOOK_UP_INTERVAL_SECONDS = 300.0
# or this, when it could not be asked.
FAILED_LOOK_UP_INTERVAL_SECONDS = 30.0
# A look-up happens while someone waits for an answer of another kind: it must end.
LOOK_UP_TIMEOUT_SECONDS = 15.0

_THE_STORE = "the store"

_log = logging.getLogger(__name__)


class CatalogLayers:
    """What is known at present, and the ways to know more. Safe to share between threads.

    Args:
        source: asks Bedrock.
        store: what is read before Bedrock is asked, and written after; None for none.
        regions: the regions to ask about; all known ones when empty.
    """

    def __init__(
        self, source: BedrockCatalogSource, *, store: CatalogStore | None, regions: tuple[str, ...]
    ) -> None:
        self._source = source
        self._store = store
        self._regions = regions
        self._known: NameResolver | None = None
        self._errors: Mapping[str, Exception] = {}
        self._not_before: dict[str, float] = {}
        self._new_locks()
        after_fork(self, CatalogLayers._new_locks)

    def _new_locks(self) -> None:
        self._changing = threading.RLock()
        self._asking = threading.Lock()

    @property
    def names(self) -> NameResolver:
        """Resolves names against what is known at present."""
        if self._known is None:
            with self._changing:
                if self._known is None:
                    stored = self._load_stored()
                    self._known = NameResolver(Catalog(load_snapshot()).merge(stored.values()))
        return self._known

    @property
    def catalog(self) -> Catalog:
        """What is known at present."""
        return self.names.catalog

    @property
    def regions(self) -> tuple[str, ...]:
        """The configured regions; empty stands for all."""
        return self._regions

    @property
    def errors(self) -> Mapping[str, Exception]:
        """Why regions could not be asked, the last time that any was."""
        return self._errors

    def regions_to_ask(self) -> tuple[str, ...]:
        """The configured regions, or all known ones."""
        return self._regions or self.catalog.region_names

    def add_regions(self, regions: Iterable[str]) -> None:
        """Configure further regions, and read what the store holds of them."""
        with self._changing:
            merged = tuple(dict.fromkeys((*self._regions, *regions)))
            if merged == self._regions:
                return
            self._regions = merged
            if self._known is not None:
                self.read_store()

    def read_store(self) -> Mapping[str, RegionCatalog]:
        """Take in what the store holds of the configured regions, and return it."""
        stored = self._load_stored()
        self._take_in(stored.values())
        return stored

    def ask(self, regions: Iterable[str]) -> FetchResult:
        """Ask Bedrock and Service Quotas about these regions, and store the answers.

        When they were asked last does not matter.
        """
        with self._asking:
            return self._ask(list(regions), quotas=True)

    def look_up_unless(
        self,
        satisfied: Callable[[], bool],
        regions: Iterable[str],
        *,
        ask: bool,
        timeout: float | None = None,
    ) -> None:
        """Read the store and then, if `ask`, ask Bedrock, each only while something is missing.

        However many threads miss something, one asks and the others wait for the answer.

        Args:
            timeout: seconds to wait for that at most; `LOOK_UP_TIMEOUT_SECONDS` when not given.
        """
        if satisfied():
            return
        seconds = LOOK_UP_TIMEOUT_SECONDS if timeout is None else max(0.0, timeout)
        end = time.monotonic() + seconds
        if not self._asking.acquire(timeout=seconds):
            return
        try:
            self._look_up(satisfied, list(regions), ask=ask, end=end)
        finally:
            self._asking.release()

    def _look_up(self, satisfied: Callable[[], bool], regions: list[str], *, ask: bool, end: float) -> None:
        # Whoever asked while this thread waited may have learnt it.
        if satisfied():
            return
        if self._due([_THE_STORE]):
            self.read_store()
            self._rest([_THE_STORE], LOOK_UP_INTERVAL_SECONDS)
        due = self._due(regions)
        left = end - time.monotonic()
        if ask and due and left > 0 and not satisfied():
            self._ask(due, timeout=left)

    def _due(self, keys: Iterable[str]) -> list[str]:
        now = time.monotonic()
        return [key for key in keys if self._not_before.get(key, now) <= now]

    def _rest(self, keys: Iterable[str], seconds: float) -> None:
        self._not_before.update(dict.fromkeys(keys, time.monotonic() + seconds))

    def _ask(self, regions: list[str], *, timeout: float | None = None, quotas: bool = False) -> FetchResult:
        result = self._source.fetch(regions, timeout=timeout, quotas=quotas)
        self._rest(result.regions, LOOK_UP_INTERVAL_SECONDS)
        self._rest(result.errors, FAILED_LOOK_UP_INTERVAL_SECONDS)
        self._errors = result.errors
        self._take_in(result.regions.values())
        for offered in result.regions.values():
            # With the quotas that were known, where it comes without any.
            self._save(self.catalog.region(offered.region) or offered)
        return result

    def _take_in(self, regions: Iterable[RegionCatalog]) -> None:
        with self._changing:
            catalog = self.catalog
            merged = catalog.merge(regions)
            if merged is not catalog:
                self._known = NameResolver(merged)

    def _load_stored(self) -> Mapping[str, RegionCatalog]:
        if self._store is None:
            return {}
        try:
            return self._store.load_all(self._regions or None)
        except Exception as error:
            # A store can be anybody's own; what it cannot tell, the snapshot and Bedrock can.
            _log.warning("The catalog's store could not be read: %s", error)
            return {}

    def _save(self, offered: RegionCatalog) -> None:
        if self._store is None:
            return
        try:
            self._store.save(offered)
        except Exception as error:
            _log.warning("The catalog of %s could not be stored: %s", offered.region, error)
