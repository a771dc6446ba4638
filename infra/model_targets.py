"""Access methods of the configured models, according to the bundled data."""

from __future__ import annotations

from collections.abc import Iterable

from llmmanager.bedrock.catalog.catalog_entries import Catalog, ModelAccess
from llmmanager.bedrock.catalog.names import ResolvedModel


def is_in_catalog(model: ResolvedModel, catalog: Catalog) -> bool:
    """Whether the catalog has the model and its configured inference profile, if any."""
    pinned = model.pinned_invoke_id
    return model.known and (pinned is None or pinned in catalog.profile_ids())


def access_methods(model: ResolvedModel, regions: Iterable[str], *, catalog: Catalog) -> list[ModelAccess]:
    """Return the access methods of the model in these regions.

    If an inference profile is configured, only those of this profile.
    """
    methods = (access for region in regions for access in catalog.access(model.model_id, region))
    return [access for access in methods if model.pinned_invoke_id in (None, access.invoke_id)]
