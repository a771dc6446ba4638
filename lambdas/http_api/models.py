"""GET /v1/models, GET /v1/models/{name}/access and GET /v1/health: the catalog of model access."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from lambdas.http_api.http_response import HttpResponse
from lambdas.shared.http_request import HttpRequest
from lambdas.shared.manager import catalog
from lambdas.shared.problems import not_found
from lambdas.shared.settings import model_settings
from llmmanager.json_format.codec import InvalidRequest


def get(_request: HttpRequest) -> HttpResponse:
    """Return the configured models with their access in the configured regions."""
    settings = model_settings()
    status = _status()
    return HttpResponse(
        200,
        {
            "models": [_model(name) for name in settings.models],
            "refreshedAt": {
                region: status.get(region, {}).get("refreshed_at") for region in settings.regions
            },
        },
    )


def access(request: HttpRequest) -> HttpResponse:
    """Return all access methods of a model, configured or not, in the configured regions or one of them.

    Raises:
        InvalidRequest: the region is not configured.
        Problem: the model is not configured and cannot be called in these regions.
    """
    name = unquote(request.path_parameters["name"])
    regions = model_settings().regions
    requested = request.query("region")
    if requested is not None:
        if requested not in regions:
            configured = ", ".join(regions)
            raise InvalidRequest([f"region: {requested!r:.100} is not configured; configured: {configured}"])
        regions = (requested,)
    _status()
    found = {region: catalog().get_model_access_info(name, region) for region in regions}
    model_id = next((info["model_id"] for info in found.values() if info), None)
    if model_id is None and name not in model_settings().models:
        raise not_found(f"model {name[:200]} in {', '.join(regions)}")
    return HttpResponse(
        200,
        {
            "name": name,
            "modelId": model_id,
            "regions": {region: info and _access(info) for region, info in found.items()},
        },
    )


def health(_request: HttpRequest) -> HttpResponse:
    """Return `ok`, the configured models and regions, and the age of the catalog in each region."""
    settings = model_settings()
    status = _status()
    return HttpResponse(
        200,
        {
            "status": "ok",
            "models": list(settings.models),
            "regions": list(settings.regions),
            "accessDataAgeSeconds": {
                region: status.get(region, {}).get("age_seconds") for region in settings.regions
            },
        },
    )


def _status() -> dict[str, Any]:
    """Read the stored catalog, and return the time of its last refresh in each region."""
    models = catalog()
    models.load_cached_data()
    regions: dict[str, Any] = models.get_cache_status()["regions"]
    return regions


def _access(info: dict[str, Any]) -> dict[str, Any]:
    return {
        "accessMethod": info["access_method"],
        "accessMethods": info["access_methods"],
        "inferenceProfileId": info["inference_profile_id"],
        "quotas": _quotas(info),
    }


def _quotas(info: dict[str, Any]) -> dict[str, Any]:
    """Return the account's quotas of a model in a region by access method; None if they are unknown."""
    region = catalog().ensure_data_available().region(info["region"])
    found = {
        method: region.quota(info["model_id"], method) if region else None
        for method in info["access_methods"]
    }
    return {
        method: quota
        and {"tokensPerMinute": quota.tokens_per_minute, "requestsPerMinute": quota.requests_per_minute}
        for method, quota in found.items()
    }


def _model(name: str) -> dict[str, Any]:
    found = {
        region: info
        for region in model_settings().regions
        if (info := catalog().get_model_access_info(name, region)) is not None
    }
    recommended = {region: catalog().get_recommended_access(name, region) for region in found}
    return {
        "name": name,
        "modelId": next((info["model_id"] for info in found.values()), None),
        "regions": {
            region: {
                "accessMethod": method.access_method,
                "inferenceProfileId": method.inference_profile_id,
                "quotas": _quotas(found[region]),
            }
            for region, method in recommended.items()
            if method is not None
        },
    }
