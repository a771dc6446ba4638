"""The kinds of values that the bundled model catalog knows: regions, models and their aliases."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from infra.model_targets import access_methods, is_in_catalog
from infra.setting_values import NamesKind, SettingsError, TextMapKind, matches
from llmmanager.bedrock.catalog.catalog_entries import Catalog
from llmmanager.bedrock.catalog.names import NameResolver, ResolvedModel
from llmmanager.bedrock.catalog.snapshot import load_snapshot
from llmmanager.bedrock.exceptions.llm_manager_exceptions import ConfigurationError

_REGIONS: Final = NamesKind(
    "at least one AWS region", matches(r"[a-z]{2,4}(-[a-z]+)+-\d{1,2}"), 'such as "us-east-1"', required=True
)
_MODELS: Final = NamesKind(
    "at least one model name, model id, inference-profile id or ARN",
    bool,
    'such as "Nova Lite"',
    required=True,
)
_ALIASES: Final = TextMapKind(
    "a JSON object with a configured model for each name",
    # A client without another field names several models in `model`, separated by commas.
    matches(r"[^\s,](?:[^\r\n,]{0,98}[^\s,])?"),
    'such as {"gpt-4o": "Nova Lite"}; a name has 1 to 100 characters, no commas and no spaces around it',
)


@dataclass(frozen=True)
class RegionsKind:
    """Regions of Bedrock."""

    summary = _REGIONS.summary

    def read(self, key: str, value: object) -> tuple[str, ...]:
        names = _REGIONS.read(key, value)
        # The permissions of a region are computed from its data.
        known = load_snapshot()
        for name in names:
            if name not in known:
                similar = ", ".join(difflib.get_close_matches(name, known)) or "none"
                raise SettingsError(
                    key, name, f"bedrock-models has no region with this name. Similar names: {similar}"
                )
        return names


@dataclass(frozen=True)
class ModelsKind:
    """Models of Bedrock. An id that the catalog does not have is accepted, because it can be newer."""

    summary = _MODELS.summary

    def read(self, key: str, value: object) -> tuple[ResolvedModel, ...]:
        resolver = NameResolver(Catalog(load_snapshot()))
        return tuple(_resolve(key, name, resolver) for name in _MODELS.read(key, value))


@dataclass(frozen=True)
class AliasesKind:
    """Names for models, such as the names of other providers' models that clients are configured with."""

    summary = _ALIASES.summary

    def read(self, key: str, value: object) -> Mapping[str, ResolvedModel]:
        resolver = NameResolver(Catalog(load_snapshot()))
        return {alias: _resolve(key, name, resolver) for alias, name in _ALIASES.read(key, value).items()}


def check_aliases(
    key: str, aliases: Mapping[str, ResolvedModel], *, models: tuple[ResolvedModel, ...]
) -> None:
    """Raise SettingsError for an alias of a model that is not configured, or with the name of one that is."""
    resolver = NameResolver(Catalog(load_snapshot()))
    configured = {_identity(model): model.requested for model in models}
    for alias, model in aliases.items():
        if _identity(model) not in configured:
            raise SettingsError(
                key,
                {alias: model.requested},
                f"{model.requested} is not in the setting models ({', '.join(configured.values())})",
            )
        try:
            named = resolver.resolve(alias)
        except ConfigurationError:
            continue
        if _identity(named) in configured:
            raise SettingsError(
                key, {alias: model.requested}, f"{alias} is the name of a configured model already"
            )


def _resolve(key: str, name: str, resolver: NameResolver) -> ResolvedModel:
    try:
        return resolver.resolve(name)
    except ConfigurationError as error:
        raise SettingsError(key, name, str(error)) from error


def _identity(model: ResolvedModel) -> tuple[str, str | None]:
    return model.model_id, model.pinned_invoke_id


def check_available(key: str, models: tuple[ResolvedModel, ...], *, regions: tuple[str, ...]) -> None:
    """Raise SettingsError if the catalog has one of the models, but in none of these regions."""
    catalog = Catalog(load_snapshot())
    for model in models:
        if not is_in_catalog(model, catalog) or access_methods(model, regions, catalog=catalog):
            continue
        others = [name for name in catalog.region_names if access_methods(model, [name], catalog=catalog)]
        elsewhere = (
            f"It is available in {', '.join(others)}" if others else "It is not available in any region"
        )
        raise SettingsError(
            key,
            model.requested,
            f"not available in the configured regions ({', '.join(regions)}). {elsewhere}",
        )


def availability_warnings(models: tuple[ResolvedModel, ...], *, regions: tuple[str, ...]) -> tuple[str, ...]:
    """Return the warnings about the models, and about regions in which none of them is available."""
    catalog = Catalog(load_snapshot())
    warnings = [warning for model in models for warning in model.warnings]
    if all(is_in_catalog(model, catalog) for model in models):
        warnings += [
            f"No configured model is available in {region}, according to bedrock-models"
            for region in regions
            if not any(access_methods(model, [region], catalog=catalog) for model in models)
        ]
    return tuple(warnings)
