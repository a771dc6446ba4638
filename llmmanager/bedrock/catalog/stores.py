"""Stores for the catalog between processes: memory and files."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterable
from typing import Protocol

from llmmanager.bedrock.catalog.catalog_entries import RegionCatalog
from llmmanager.bedrock.forks import after_fork, new_lock

_PREFIX = "bedrock-catalog-"

_log = logging.getLogger(__name__)


class CatalogStore(Protocol):
    """What a store implements: it keeps the last valid catalog of each region, which does not expire.

    Reading does not raise. An exception of `save` is logged, and the catalog is used nevertheless.
    """

    def load(self, region: str) -> RegionCatalog | None:
        """Return the stored catalog of a region, or None if there is none or the store cannot be read."""

    def load_all(self, regions: Iterable[str] | None = None) -> dict[str, RegionCatalog]:
        """Return the stored catalogs of these or all regions by region; empty if the store cannot be read."""

    def save(self, catalog: RegionCatalog) -> bool:
        """Store a region's catalog, unless the stored one has the same or a newer `version`.

        Return whether it was stored.

        Raises:
            Exception: the store could not be written.
        """


class MemoryStore:
    """A store for the managers of one process, and for tests."""

    def __init__(self) -> None:
        self._regions: dict[str, RegionCatalog] = {}
        self._lock = threading.Lock()
        after_fork(self, new_lock)

    def load(self, region: str) -> RegionCatalog | None:
        """See `CatalogStore`."""
        return self.load_all([region]).get(region)

    def load_all(self, regions: Iterable[str] | None = None) -> dict[str, RegionCatalog]:
        """See `CatalogStore`."""
        with self._lock:
            names = list(self._regions) if regions is None else regions
            return {region: self._regions[region] for region in names if region in self._regions}

    def save(self, catalog: RegionCatalog) -> bool:
        """See `CatalogStore`."""
        with self._lock:
            stored = self._regions.get(catalog.region)
            if stored and stored.version >= catalog.version:
                return False
            self._regions[catalog.region] = catalog
            return True


class FileStore:
    """Stores each region in a JSON file.

    Files are replaced atomically. Versions are compared within a process. If two processes write the same
    region at the same time, the last write wins.

    Args:
        directory: the directory of the files. The first write creates it.
    """

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        self._directory = os.fspath(directory)
        self._lock = threading.Lock()
        after_fork(self, new_lock)

    def load(self, region: str) -> RegionCatalog | None:
        """See `CatalogStore`."""
        path = self._path(region)
        try:
            with open(path, "rb") as file:
                return RegionCatalog.from_json(file.read())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            _log.warning("Ignoring the stored catalog %s: %s", path, error)
            return None

    def load_all(self, regions: Iterable[str] | None = None) -> dict[str, RegionCatalog]:
        """See `CatalogStore`."""
        if regions is None:
            regions = self._stored_regions()
        loaded = {region: self.load(region) for region in regions}
        return {region: catalog for region, catalog in loaded.items() if catalog}

    def save(self, catalog: RegionCatalog) -> bool:
        """See `CatalogStore`."""
        path = self._path(catalog.region)
        with self._lock:
            stored = self.load(catalog.region)
            if stored and stored.version >= catalog.version:
                return False
            os.makedirs(self._directory, exist_ok=True)
            _write_atomically(path, catalog.to_json())
            return True

    def _stored_regions(self) -> list[str]:
        try:
            names = os.listdir(self._directory)
        except FileNotFoundError:
            return []
        return sorted(
            name.removeprefix(_PREFIX).removesuffix(".json")
            for name in names
            if name.startswith(_PREFIX) and name.endswith(".json")
        )

    def _path(self, region: str) -> str:
        if not region or os.path.basename(region) != region:
            raise ValueError(f"{region!r} is not a valid region name")
        return os.path.join(self._directory, f"{_PREFIX}{region}.json")


def _write_atomically(path: str, text: str) -> None:
    import tempfile  # imported here, since it loads many modules

    folder, name = os.path.split(path)
    handle, temporary = tempfile.mkstemp(dir=folder or ".", prefix=f".{name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
