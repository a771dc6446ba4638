"""The operations of the `bedrock` service: models and inference profiles of a region."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .catalog import ACCOUNT_ID, FakeCatalog
from .errors import ServiceError, invalid
from .models import CalledTarget, FakeModel
from .pages import page_of
from .resources import Resource, Resources

_SINCE = "2026-01-01T00:00:00Z"


class ControlPlane:
    """Lists and describes models and profiles. `page_size` is the default number of profiles per page."""

    def __init__(self, catalog: FakeCatalog, resources: Resources, *, page_size: int) -> None:
        self._catalog = catalog
        self._resources = resources
        self._page_size = page_size

    def list_foundation_models(self, region: str, query: Mapping[str, str]) -> dict[str, Any]:
        """Answer ListFoundationModels."""
        summaries = [_model_summary(model, region) for model in self._catalog.models_in(region)]
        provider = query.get("byProvider", "").lower()
        return {
            "modelSummaries": [
                summary
                for summary in summaries
                if provider in ("", summary["providerName"].lower())
                and _has(summary["outputModalities"], query.get("byOutputModality"))
                and _has(summary["inferenceTypesSupported"], query.get("byInferenceType"))
                and _has(summary["customizationsSupported"], query.get("byCustomizationType"))
            ]
        }

    def get_foundation_model(self, region: str, identifier: str) -> dict[str, Any]:
        """Answer GetFoundationModel."""
        short_id = identifier.rpartition("foundation-model/")[2]
        for model in self._catalog.models_in(region):
            if model.model_id == short_id:
                return {"modelDetails": _model_summary(model, region)}
        raise ServiceError("ResourceNotFoundException")

    def list_inference_profiles(self, region: str, query: Mapping[str, str]) -> dict[str, Any]:
        """Answer ListInferenceProfiles with one page."""
        kind = query.get("type", "SYSTEM_DEFINED")
        if kind not in ("SYSTEM_DEFINED", "APPLICATION"):
            raise invalid(
                f"1 validation error detected: Value '{kind}' at 'typeEquals' failed to satisfy constraint: "
                "Member must satisfy enum value set: [SYSTEM_DEFINED, APPLICATION]"
            )
        if kind == "SYSTEM_DEFINED":
            profiles = [_profile(target, region) for target in self._catalog.profiles_in(region)]
        else:
            found = self._resources.application_profiles(region)
            profiles = [self._application_profile(resource, region) for resource in found]
        return page_of(profiles, query, name="inferenceProfileSummaries", page_size=self._page_size)

    def get_inference_profile(self, region: str, identifier: str) -> dict[str, Any]:
        """Answer GetInferenceProfile."""
        short_id = identifier.rpartition("/")[2]
        for target in self._catalog.profiles_in(region):
            if target.invoked_id == short_id:
                return _profile(target, region)
        resource = self._resources.application_profile(identifier, region=region)
        if resource is not None:
            return self._application_profile(resource, region)
        raise ServiceError("ResourceNotFoundException", "The requested inference profile does not exist.")

    def _application_profile(self, resource: Resource, region: str) -> dict[str, Any]:
        """Return the description of an application profile, with the models of what it copies."""
        target = self._resources.resolve(resource, region=region)
        identifier = resource.arn.rpartition("/")[2]
        return {
            "inferenceProfileId": identifier,
            "inferenceProfileArn": resource.arn,
            "inferenceProfileName": identifier,
            "models": _models(target, region),
            "status": "ACTIVE",
            "type": "APPLICATION",
            "createdAt": _SINCE,
            "updatedAt": _SINCE,
        }


def _has(values: list[str], wanted: str | None) -> bool:
    return wanted is None or wanted in values


def _model_arn(model: FakeModel, region: str) -> str:
    return f"arn:aws:bedrock:{region}::foundation-model/{model.model_id}"


def provider_of(model: FakeModel) -> str:
    """Return the display name of a model's provider."""
    return model.provider or model.model_id.partition(".")[0].title()


def name_of(model: FakeModel) -> str:
    """Return a model's display name."""
    return model.name or model.model_id.partition(".")[2].partition(":")[0].replace("-", " ").title()


def _model_summary(model: FakeModel, region: str) -> dict[str, Any]:
    lifecycle = {"status": model.lifecycle}
    if model.eol_date:
        lifecycle["endOfLifeTime"] = f"{model.eol_date}T00:00:00Z"
    inference_types = {
        "ON_DEMAND": region in model.on_demand,
        "INFERENCE_PROFILE": any(region in sources for sources in model.profiles.values()),
    }
    return {
        "modelArn": _model_arn(model, region),
        "modelId": model.model_id,
        "modelName": name_of(model),
        "providerName": provider_of(model),
        "inputModalities": list(model.input_modalities),
        "outputModalities": list(model.output_modalities),
        "responseStreamingSupported": model.streaming,
        "customizationsSupported": list(model.customizations),
        "inferenceTypesSupported": [kind for kind, offered in inference_types.items() if offered],
        "modelLifecycle": lifecycle,
    }


def _profile(target: CalledTarget, region: str) -> dict[str, Any]:
    model = target.model
    destinations = model.destinations(target.prefix, region)
    title = f"{provider_of(model)} {name_of(model)}"
    where = "all commercial regions" if destinations == ("*",) else ", ".join(destinations)
    return {
        "inferenceProfileId": target.invoked_id,
        "inferenceProfileArn": f"arn:aws:bedrock:{region}:{ACCOUNT_ID}:inference-profile/{target.invoked_id}",
        "inferenceProfileName": f"{'Global' if target.access == 'global' else target.prefix.upper()} {title}",
        "description": f"Routes requests to {title} in {where}.",
        "models": _models(target, region),
        "status": "ACTIVE",
        "type": "SYSTEM_DEFINED",
        "createdAt": _SINCE,
        "updatedAt": _SINCE,
    }


def _models(target: CalledTarget, region: str) -> list[dict[str, str]]:
    """Return the models to which a target routes from a region."""
    destinations = target.model.destinations(target.prefix, region) or (region,)
    # Like in AWS, a global profile has a model ARN with the caller's region and one without a region.
    regions = (region, "") if destinations == ("*",) else destinations
    return [{"modelArn": _model_arn(target.model, destination)} for destination in regions]
