"""GET /v1/models: what can be called where, as the catalog has it now."""

from __future__ import annotations

from typing import Any

from lambdas.shared.manager import catalog
from lambdas.shared.settings import model_settings


def get() -> tuple[int, Any]:
    """The configured models in the configured regions."""
    settings = model_settings()
    known = catalog()
    known.load_cached_data()
    status = known.get_cache_status()["regions"]
    return 200, {
        "models": [_model(name) for name in settings.models],
        "refreshedAt": {region: status.get(region, {}).get("refreshed_at") for region in settings.regions},
    }


def _model(name: str) -> dict[str, Any]:
    ways = {
        region: way
        for region in model_settings().regions
        if (way := catalog().get_recommended_access(name, region)) is not None
    }
    return {
        "name": name,
        "modelId": next((way.model_id for way in ways.values()), None),
        "regions": {
            region: {"accessMethod": way.access_method, "inferenceProfileId": way.inference_profile_id}
            for region, way in ways.items()
        },
    }
