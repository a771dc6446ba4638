"""The ways in to the configured models, as far as the bundled data tells."""

from __future__ import annotations

from collections.abc import Iterable

from llmmanager.bedrock.catalog.catalog_entries import Catalog, ModelAccess
from llmmanager.bedrock.catalog.names import ResolvedModel


def is_described(model: ResolvedModel, catalog: Catalog) -> bool:
    """Whether the catalog knows the model and, where a profile was named, the profile."""
    pinned = model.pinned_invoke_id
    return model.known and (pinned is None or pinned in catalog.profile_ids())


def ways_in(model: ResolvedModel, regions: Iterable[str], *, catalog: Catalog) -> list[ModelAccess]:
    """Every way in to the model in these regions; only the profile's where a profile was named."""
    ways = (access for region in regions for access in catalog.access(model.model_id, region))
    return [access for access in ways if model.pinned_invoke_id in (None, access.invoke_id)]
