"""Reads application inference profiles from Bedrock.

Such a profile copies a model or a system-defined profile, so that its use can be tracked. It never changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llmmanager.bedrock.catalog.catalog_entries import AccessMethod, ApplicationProfile, RegionCatalog


def read_profile(arn: str, answer: Mapping[str, Any], offered: RegionCatalog | None) -> ApplicationProfile:
    """Return the profile that GetInferenceProfile describes.

    Args:
        answer: the response.
        offered: the catalog of the profile's region; None if the region is unknown.

    Raises:
        ValueError: the profile does not have one model.
    """
    models = [str(model["modelArn"]) for model in answer.get("models") or ()]
    ids = sorted({model.rpartition("/")[2] for model in models})
    if len(ids) != 1:
        raise ValueError(f"the profile has {len(ids)} models ({', '.join(ids)})")
    destinations = {model.split(":")[3] for model in models}
    return _profile(arn, ids[0], destinations, offered)


def _profile(
    arn: str, model_id: str, destinations: set[str], offered: RegionCatalog | None
) -> ApplicationProfile:
    entry = offered.entries.get(model_id) if offered else None
    if "" in destinations:  # the model without a region, to which only a global profile routes
        return ApplicationProfile(arn, model_id, AccessMethod.GLOBAL_PROFILE, f"global.{model_id}")
    if destinations == {arn.split(":")[3]} and (entry is None or entry.on_demand):
        return ApplicationProfile(arn, model_id, AccessMethod.ON_DEMAND)
    profiles = entry.profiles if entry else ()
    geographic = [p for p in profiles if AccessMethod.from_profile(p) is AccessMethod.GEOGRAPHIC_PROFILE]
    source = geographic[0] if len(geographic) == 1 else None
    return ApplicationProfile(arn, model_id, AccessMethod.GEOGRAPHIC_PROFILE, source)
