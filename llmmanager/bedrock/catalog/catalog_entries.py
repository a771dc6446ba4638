"""The catalog's data: which model can be called in which region, how, and under which id."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

_FORMAT = 1
_GLOBAL_PREFIX = "global."


class AccessMethod(StrEnum):
    """The way in to a model in a region."""

    ON_DEMAND = "on_demand"
    GEOGRAPHIC_PROFILE = "geographic_profile"
    GLOBAL_PROFILE = "global_profile"

    @classmethod
    def of_profile(cls, profile_id: str) -> AccessMethod:
        """Global for `global.…`; any other prefix is a geography, known today or not."""
        return cls.GLOBAL_PROFILE if profile_id.startswith(_GLOBAL_PREFIX) else cls.GEOGRAPHIC_PROFILE


@dataclass(frozen=True, slots=True)
class ModelAccess:
    """One callable target: a model in a region through one way in.

    Attributes:
        access_method: None for an id that the catalog does not know and that is passed through.
        invoke_id: what Converse takes as `modelId`.
        inference_profile_id: the profile's id when the way in is a profile, else None.
    """

    model_id: str
    model_name: str
    region: str
    access_method: AccessMethod | None
    invoke_id: str
    inference_profile_id: str | None = None


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """One model as one region offers it.

    Attributes:
        provider: display name of who made the model.
        input_modalities, output_modalities: upper case, "TEXT", "IMAGE", ...
        lifecycle: "ACTIVE" or "LEGACY".
        on_demand: whether the model id itself can be invoked in the region.
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
        """The ways in, in the order they are preferred: on-demand, geographic profile, global profile."""
        direct = (
            (ModelAccess(self.model_id, self.model_name, region, AccessMethod.ON_DEMAND, self.model_id),)
            if self.on_demand
            else ()
        )
        return direct + tuple(
            ModelAccess(
                self.model_id, self.model_name, region, AccessMethod.of_profile(profile), profile, profile
            )
            for profile in self.profiles
        )


@dataclass(frozen=True, slots=True)
class AccessQuota:
    """The quota of one model in one region through one access method; None for an amount that is unknown."""

    tokens_per_minute: float | None = None
    requests_per_minute: float | None = None


Quotas = Mapping[str, Mapping[str, AccessQuota]]
"""By model id and access method."""


def order_profiles(profile_ids: Iterable[str]) -> tuple[str, ...]:
    """Profile ids without repetition, geographic ones first: they keep data nearer than global ones."""
    return tuple(sorted(set(profile_ids), key=lambda profile: (profile.startswith(_GLOBAL_PREFIX), profile)))


@dataclass(frozen=True, slots=True)
class RegionCatalog:
    """What one region offers, and when that was learnt.

    Attributes:
        entries: by model id; only models that Converse takes.
        refreshed_at: when Bedrock was asked (UTC); None for the bundled snapshot.
        quotas: the account's quotas as far as they are known, by model id and access method; None when
            Service Quotas was not asked.
    """

    region: str
    entries: Mapping[str, ModelEntry]
    refreshed_at: datetime | None = None
    quotas: Mapping[str, Mapping[str, AccessQuota]] | None = None

    @property
    def version(self) -> int:
        """Which of two is newer: `refreshed_at` in milliseconds since 1970; 0 for the snapshot."""
        return int(self.refreshed_at.timestamp() * 1000) if self.refreshed_at else 0

    def quota(self, model_id: str, method: str | None) -> AccessQuota | None:
        """Return the quota of a model through an access method; None when it is unknown."""
        return (self.quotas or {}).get(model_id, {}).get(method or "")

    def with_quotas_of(self, earlier: RegionCatalog | None) -> RegionCatalog:
        """Return this catalog with its own quotas or, when Service Quotas was not asked, the earlier ones."""
        if self.quotas is not None or earlier is None or earlier.quotas is None:
            return self
        return replace(self, quotas=earlier.quotas)

    def to_json(self) -> str:
        """Compact JSON that `from_json` takes back."""
        data = {
            "format": _FORMAT,
            "region": self.region,
            "refreshed_at": self.refreshed_at.isoformat() if self.refreshed_at else None,
            "models": [_entry_to_dict(entry) for entry in self.entries.values()],
        }
        if self.quotas is not None:
            # Versions without quotas ignore this member.
            data["quotas"] = _quotas_to_dict(self.quotas)
        return json.dumps(data, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str | bytes) -> RegionCatalog:
        """Inverse of `to_json`.

        Raises:
            ValueError: the text is not a region's catalog in the format that this version writes.
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
            )
        except (AttributeError, KeyError, RecursionError, TypeError) as error:
            raise ValueError(f"not a region's catalog: {error!r}") from error


class Catalog:
    """What all regions offer. Immutable: a change makes a new catalog, so readers need no lock.

    Args:
        base: what is known from the start.
        told: regions of which more recent things are known; each replaces the whole region in `base`.
    """

    __slots__ = ("_base", "_told")

    def __init__(
        self, base: Mapping[str, RegionCatalog], told: Mapping[str, RegionCatalog] | None = None
    ) -> None:
        self._base = base
        self._told = dict(told or {})

    @property
    def region_names(self) -> tuple[str, ...]:
        """Every region of which something is known, sorted."""
        return tuple(sorted({*self._base, *self._told}))

    @property
    def regions(self) -> tuple[RegionCatalog, ...]:
        """What each region offers; those that Bedrock told about come last."""
        return (*(self._base[name] for name in self._base if name not in self._told), *self._told.values())

    @property
    def models(self) -> Mapping[str, ModelEntry]:
        """Every model that some region offers, by id; what Bedrock told wins over the snapshot."""
        return {id_: entry for offered in self.regions for id_, entry in offered.entries.items()}

    def region(self, name: str) -> RegionCatalog | None:
        """What one region offers, None for a region of which nothing is known."""
        return self._told.get(name) or self._base.get(name)

    def access(self, model_id: str, region: str) -> tuple[ModelAccess, ...]:
        """The ways in to a model in a region, preferred first; empty when there is none."""
        offered = self.region(region)
        entry = offered.entries.get(model_id) if offered else None
        return entry.access(region) if entry else ()

    def regions_of(self, model_id: str) -> tuple[str, ...]:
        """The regions in which a model can be called, sorted."""
        return tuple(sorted(offered.region for offered in self.regions if model_id in offered.entries))

    def display_names(self) -> set[tuple[str, str]]:
        """Pairs of model id and display name, as the regions give them."""
        entries = (entry for offered in self.regions for entry in offered.entries.values())
        return {(entry.model_id, entry.model_name) for entry in entries}

    def profile_ids(self) -> set[str]:
        """Every inference profile that some region offers."""
        entries = (entry for offered in self.regions for entry in offered.entries.values())
        return {profile for entry in entries for profile in entry.profiles}

    def merge(self, regions: Iterable[RegionCatalog]) -> Catalog:
        """A catalog in which these replace what was told of their regions, unless that is newer.

        Quotas stay what they were where a region comes without any.
        """
        newer = {}
        for offered in regions:
            known = self._told.get(offered.region)
            if known is None or offered.version >= known.version:
                merged = offered.with_quotas_of(known)
                if merged != known:
                    newer[offered.region] = merged
        return Catalog(self._base, {**self._told, **newer}) if newer else self


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
