"""The data types of the catalog: models by region, access methods, invocable ids and quotas."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

_FORMAT = 1
_GLOBAL_PREFIX = "global."


class AccessMethod(StrEnum):
    """How a model is called in a region.

    Attributes:
        ON_DEMAND: by its own id.
        GEOGRAPHIC_PROFILE: by an inference profile that routes within a geography (`us.`, `eu.`, ...).
        GLOBAL_PROFILE: by an inference profile that routes to any region (`global.`).
    """

    ON_DEMAND = "on_demand"
    GEOGRAPHIC_PROFILE = "geographic_profile"
    GLOBAL_PROFILE = "global_profile"

    @classmethod
    def from_profile(cls, profile_id: str) -> AccessMethod:
        """Return GLOBAL_PROFILE for an id with the prefix `global.`, else GEOGRAPHIC_PROFILE."""
        return cls.GLOBAL_PROFILE if profile_id.startswith(_GLOBAL_PREFIX) else cls.GEOGRAPHIC_PROFILE


@dataclass(frozen=True, slots=True)
class ModelAccess:
    """A target: a model in a region with one access method.

    Attributes:
        model_id: the model's id.
        model_name: the model's display name.
        region: the region in which it is called.
        access_method: how it is called; None for an id that is not in the catalog.
        invoke_id: the `modelId` for Converse.
        inference_profile_id: the profile's id or ARN if the access method is a profile, else None.
        source_profile_id: the system-defined profile that an application inference profile copies, if it is
            known.
    """

    model_id: str
    model_name: str
    region: str
    access_method: AccessMethod | None
    invoke_id: str
    inference_profile_id: str | None = None
    source_profile_id: str | None = None

    @property
    def priced_profile_id(self) -> str | None:
        """The profile whose prices apply, or None."""
        return self.source_profile_id or self.inference_profile_id


@dataclass(frozen=True, slots=True)
class ApplicationProfile:
    """An application inference profile: a copy of a model or of a system-defined profile.

    Attributes:
        arn: its ARN.
        model_id: the id of its model.
        access_method: how it calls the model. The quota and the prices of this access method apply.
        source_profile_id: the system-defined profile that it copies; None on demand, or if it is unknown.
    """

    arn: str
    model_id: str
    access_method: AccessMethod
    source_profile_id: str | None = None


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """A model in one region.

    Attributes:
        model_id: the model's id.
        model_name: the model's display name.
        provider: display name of the model's provider.
        input_modalities, output_modalities: "TEXT", "IMAGE", ...
        streaming: whether the model supports ConverseStream.
        lifecycle: "ACTIVE" or "LEGACY".
        on_demand: whether the model id can be invoked in the region.
        profiles: ids of the inference profiles that can be called from the region, global ones last.
    """

    model_id: str
    model_name: str
    provider: str
    input_modalities: tuple[str, ...] = ("TEXT",)
    output_modalities: tuple[str, ...] = ("TEXT",)
    streaming: bool = True
    lifecycle: str = "ACTIVE"
    on_demand: bool = False
    profiles: tuple[str, ...] = ()

    def access(self, region: str) -> tuple[ModelAccess, ...]:
        """Return the targets in a region, in the order on-demand, geographic profile, global profile."""
        direct = (
            (ModelAccess(self.model_id, self.model_name, region, AccessMethod.ON_DEMAND, self.model_id),)
            if self.on_demand
            else ()
        )
        return direct + tuple(
            ModelAccess(
                self.model_id, self.model_name, region, AccessMethod.from_profile(profile), profile, profile
            )
            for profile in self.profiles
        )


@dataclass(frozen=True, slots=True)
class AccessQuota:
    """The quota of a model in a region with one access method.

    Attributes:
        tokens_per_minute, requests_per_minute: the amounts; None if unknown.
    """

    tokens_per_minute: float | None = None
    requests_per_minute: float | None = None


Quotas = Mapping[str, Mapping[str, AccessQuota]]
"""Quotas by model id and access method."""


def order_profiles(profile_ids: Iterable[str]) -> tuple[str, ...]:
    """Return unique profile ids, geographic ones before global ones, which may send data to any region."""
    return tuple(sorted(set(profile_ids), key=lambda profile: (profile.startswith(_GLOBAL_PREFIX), profile)))


@dataclass(frozen=True, slots=True)
class RegionCatalog:
    """The models of one region.

    Attributes:
        region: the region.
        entries: models that Converse supports, by model id.
        refreshed_at: time of the call to Bedrock (UTC); None for the bundled snapshot.
        quotas: known quotas of the account by model id and access method; None if Service Quotas was not
            called.
        application_profiles: known application inference profiles of the account by ARN.
    """

    region: str
    entries: Mapping[str, ModelEntry]
    refreshed_at: datetime | None = None
    quotas: Mapping[str, Mapping[str, AccessQuota]] | None = None
    application_profiles: Mapping[str, ApplicationProfile] = field(default_factory=dict)

    @property
    def version(self) -> int:
        """`refreshed_at` in milliseconds since 1970; 0 for the snapshot. A newer catalog has a higher one."""
        return int(self.refreshed_at.timestamp() * 1000) if self.refreshed_at else 0

    def quota(self, model_id: str, method: str | None) -> AccessQuota | None:
        """Return the quota of a model with an access method, or None if it is unknown."""
        return (self.quotas or {}).get(model_id, {}).get(method or "")

    def with_quotas_from(self, earlier: RegionCatalog | None) -> RegionCatalog:
        """Return this catalog with its own quotas or, if it has none, those of an earlier catalog."""
        if self.quotas is not None or earlier is None or earlier.quotas is None:
            return self
        return replace(self, quotas=earlier.quotas)

    def with_profiles_from(self, earlier: RegionCatalog | None) -> RegionCatalog:
        """Return this catalog with the application inference profiles of an earlier catalog too."""
        if earlier is None or earlier.application_profiles.keys() <= self.application_profiles.keys():
            return self
        return replace(
            self, application_profiles={**earlier.application_profiles, **self.application_profiles}
        )

    def to_json(self) -> str:
        """Return compact JSON for `from_json`."""
        data = {
            "format": _FORMAT,
            "region": self.region,
            "refreshed_at": self.refreshed_at.isoformat() if self.refreshed_at else None,
            "models": [_entry_to_dict(entry) for entry in self.entries.values()],
        }
        if self.quotas is not None:
            # Earlier versions of the library ignore this member.
            data["quotas"] = _quotas_to_dict(self.quotas)
        if self.application_profiles:
            data["application_profiles"] = [
                [profile.arn, profile.model_id, profile.access_method, profile.source_profile_id]
                for profile in self.application_profiles.values()
            ]
        return json.dumps(data, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str | bytes) -> RegionCatalog:
        """Return the catalog for a text from `to_json`.

        Raises:
            ValueError: the text is not a region's catalog in the current format.
        """
        try:
            data = json.loads(text)
            if data["format"] != _FORMAT:
                raise ValueError(f"format {data['format']!r} is not {_FORMAT}")
            entries = [_entry_from_dict(row) for row in data["models"]]
            moment = data["refreshed_at"]
            return cls(
                region=data["region"],
                entries={entry.model_id: entry for entry in entries},
                refreshed_at=datetime.fromisoformat(moment).astimezone(UTC) if moment else None,
                quotas=_quotas_from_dict(data["quotas"]) if "quotas" in data else None,
                application_profiles={
                    arn: ApplicationProfile(arn, model_id, AccessMethod(method), source)
                    for arn, model_id, method, source in data.get("application_profiles", ())
                },
            )
        except (AttributeError, KeyError, RecursionError, TypeError) as error:
            raise ValueError(f"not a region's catalog: {error!r}") from error


class Catalog:
    """The models of all regions. Immutable: a change returns a new catalog, so that readers need no lock.

    Args:
        base: regions of the bundled snapshot.
        newer: regions with newer data. Each replaces the region in `base`.
    """

    __slots__ = ("_base", "_newer")

    def __init__(
        self, base: Mapping[str, RegionCatalog], newer: Mapping[str, RegionCatalog] | None = None
    ) -> None:
        self._base = base
        self._newer = dict(newer or {})

    @property
    def region_names(self) -> tuple[str, ...]:
        """All known regions, sorted."""
        return tuple(sorted({*self._base, *self._newer}))

    @property
    def regions(self) -> tuple[RegionCatalog, ...]:
        """The catalogs of all regions. Regions with newer data are last."""
        return (*(self._base[name] for name in self._base if name not in self._newer), *self._newer.values())

    @property
    def models(self) -> Mapping[str, ModelEntry]:
        """The models of all regions by id. Newer data overrides the snapshot."""
        return {id_: entry for offered in self.regions for id_, entry in offered.entries.items()}

    def region(self, name: str) -> RegionCatalog | None:
        """Return the catalog of a region, or None for an unknown region."""
        return self._newer.get(name) or self._base.get(name)

    def access(self, model_id: str, region: str) -> tuple[ModelAccess, ...]:
        """Return the targets of a model in a region, preferred first."""
        offered = self.region(region)
        entry = offered.entries.get(model_id) if offered else None
        return entry.access(region) if entry else ()

    def application_profile(self, arn: str) -> ApplicationProfile | None:
        """Return an application inference profile, or None if it is unknown."""
        parts = arn.split(":")
        offered = self.region(parts[3]) if len(parts) > 3 else None
        return offered.application_profiles.get(arn) if offered else None

    def regions_of(self, model_id: str) -> tuple[str, ...]:
        """Return the regions in which a model can be called, sorted."""
        return tuple(sorted(offered.region for offered in self.regions if model_id in offered.entries))

    def display_names(self) -> set[tuple[str, str]]:
        """Return pairs of model id and display name from all regions."""
        entries = (entry for offered in self.regions for entry in offered.entries.values())
        return {(entry.model_id, entry.model_name) for entry in entries}

    def profile_ids(self) -> set[str]:
        """Return the ids of the inference profiles of all regions."""
        entries = (entry for offered in self.regions for entry in offered.entries.values())
        return {profile for entry in entries for profile in entry.profiles}

    def merge(self, regions: Iterable[RegionCatalog]) -> Catalog:
        """Return a catalog with these regions, except for regions with newer data.

        A region without quotas keeps its previous quotas, and each region its application inference profiles.
        """
        changed = {}
        for offered in regions:
            known = self._newer.get(offered.region)
            if known is None or offered.version >= known.version:
                merged = offered.with_quotas_from(known).with_profiles_from(known)
                if merged != known:
                    changed[offered.region] = merged
        return Catalog(self._base, {**self._newer, **changed}) if changed else self


def _entry_to_dict(entry: ModelEntry) -> dict[str, Any]:
    return {
        "id": entry.model_id,
        "name": entry.model_name,
        "provider": entry.provider,
        "inputs": entry.input_modalities,
        "outputs": entry.output_modalities,
        "streaming": entry.streaming,
        "lifecycle": entry.lifecycle,
        "on_demand": entry.on_demand,
        "profiles": entry.profiles,
    }


def _entry_from_dict(row: Mapping[str, Any]) -> ModelEntry:
    return ModelEntry(
        model_id=row["id"],
        model_name=row["name"],
        provider=row["provider"],
        input_modalities=tuple(row["inputs"]),
        output_modalities=tuple(row["outputs"]),
        streaming=bool(row["streaming"]),
        lifecycle=row["lifecycle"],
        on_demand=bool(row["on_demand"]),
        profiles=tuple(row["profiles"]),
    )


def _quotas_to_dict(quotas: Quotas) -> dict[str, dict[str, list[float | None]]]:
    return {
        model_id: {
            method: [quota.tokens_per_minute, quota.requests_per_minute] for method, quota in methods.items()
        }
        for model_id, methods in quotas.items()
    }


def _quotas_from_dict(data: Mapping[str, Mapping[str, Sequence[float | None]]]) -> Quotas:
    return {
        model_id: {method: AccessQuota(*amounts[:2]) for method, amounts in methods.items()}
        for model_id, methods in data.items()
    }
