"""Small catalogs for tests."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from llmmanager.bedrock.catalog.catalog_entries import ModelEntry, RegionCatalog

MakeRegion = Callable[..., RegionCatalog]


@pytest.fixture
def make_region() -> MakeRegion:
    """Return a function that creates a RegionCatalog with on-demand models and profiles by model id."""

    def make(
        region: str,
        *model_ids: str,
        hour: int = 0,
        names: dict[str, str] | None = None,
        profiles: dict[str, tuple[str, ...]] | None = None,
    ) -> RegionCatalog:
        offered = dict.fromkeys(model_ids, ()) | (profiles or {})
        entries = {
            id_: ModelEntry(
                id_, (names or {}).get(id_, id_), "Acme", on_demand=id_ in model_ids, profiles=ids
            )
            for id_, ids in offered.items()
        }
        return RegionCatalog(region, entries, datetime(2026, 11, 22, hour, tzinfo=UTC))

    return make
