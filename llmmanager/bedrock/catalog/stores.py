"""Where the catalog is kept between processes."""

from __future__ import annotations

import logging
import os
import tempfile
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from llmmanager.bedrock.catalog.entries import RegionCatalog

_PREFIX = "bedrock-catalog-"

_log = logging.getLogger(__name__)


class CatalogStore(Protocol):
    """Keeps the last known good of each region; nothing in it expires, its age is in `refreshed_at`."""

    def load(self, region: str) -> RegionCatalog | None:
        """What is stored of a region; None when nothing is, or when the store cannot be read."""

    def load_all(self, regions: Iterable[str] | None = None) -> dict[str, RegionCatalog]:
        """What is stored of these regions, or of all; a store that cannot be read holds nothing."""

    def save(self, catalog: RegionCatalog) -> bool:
        """Store a region's catalog, unless what is stored has the same version or a newer one.

        Returns:
            Whether it was stored.

        Raises:
            Exception: the store could not be written.
        """


class MemoryStore:
    """A store for the managers of one process, and for tests."""

    def __init__(self) -> None:
        self._regions: dict[str, RegionCatalog] = {}
        self._lock = threading.Lock()

    def load(self, region: str) -> RegionCatalog | None:
        """See `CatalogStore`."""
        return self.load_all([region]).get(region)

    def load_all(self, regions: Iterable[str] | None = None) -> dict[str, RegionCatalog]:
        """See `CatalogStore`."""
        with self._lock:
            wanted = list(self._regions) if regions is None else regions
            return {region: self._regions[region] for region in wanted if region in self._regions}

    def save(self, catalog: RegionCatalog) -> bool:
        """See `CatalogStore`."""
        with self._lock:
            stored = self._regions.get(catalog.region)
            if stored and stored.version >= catalog.version:
                return False
            self._regions[catalog.region] = catalog
            return True


class FileStore:
    """One JSON file a region in a directory, which is made when first written to.

    A reader never sees half a file. Versions are compared within a process; of two processes that
    write the same region in the same moment, the last one stays.
    """

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        self._directory = Path(directory)
        self._lock = threading.Lock()

    def load(self, region: str) -> RegionCatalog | None:
        """See `CatalogStore`."""
        path = self._path(region)
        try:
            return RegionCatalog.from_json(path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            _log.warning("Ignoring the stored catalog %s: %s", path, error)
            return None

    def load_all(self, regions: Iterable[str] | None = None) -> dict[str, RegionCatalog]:
        """See `CatalogStore`."""
        if regions is None:
            files = self._directory.glob(f"{_PREFIX}*.json")
            regions = sorted(file.stem.removeprefix(_PREFIX) for file in files)
        loaded = {region: self.load(region) for region in regions}
        return {region: catalog for region, catalog in loaded.items() if catalog}

    def save(self, catalog: RegionCatalog) -> bool:
        """See `CatalogStore`."""
        path = self._path(catalog.region)
        with self._lock:
            stored = self.load(catalog.region)
            if stored and stored.version >= catalog.version:
                return False
            self._directory.mkdir(parents=True, exist_ok=True)
            _write_atomically(path, catalog.to_json())
            return True

    def _path(self, region: str) -> Path:
        if not region or os.path.basename(region) != region:
            raise ValueError(f"{region!r} is not the name of a region")
        return self._directory / f"{_PREFIX}{region}.json"


def _write_atomically(path: Path, text: str) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
