"""Resolves model names: display names, model ids, inference-profile ids and ARNs.

Case, spaces, dashes, dots, the date and the version suffix are optional. Otherwise a name must match a name
or id of a model exactly. A similar name is not accepted.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from llmmanager.bedrock.catalog.catalog_entries import ApplicationProfile, Catalog
from llmmanager.bedrock.catalog.model_table import aliases, known_names
from llmmanager.bedrock.exceptions.llm_manager_exceptions import ConfigurationError

# The maximum length of Converse's modelId.
_MAX_LENGTH = 2048
_MAX_SUGGESTIONS = 5

_ARN = re.compile(r"arn:aws[a-z-]*:[a-z0-9-]+:(?P<region>[a-z0-9-]*):[0-9]*:(?P<kind>[a-z-]+)/(?P<id>\S+)")
_PREFIX = re.compile(r"[a-z]+(-[a-z]+)*")
_ID = re.compile(r"([a-z]+(-[a-z]+)*\.)?[a-z][a-z0-9]+\.[a-z][\w.:-]*")
_VERSION = re.compile(r"(-v\d+:\d+|-\d+:\d+|-v1)$")
_REVISION = re.compile(r":\d+$")
_DATE = re.compile(r"-20\d{6}(?=-|$)")

_SEPARATORS = re.compile(r"[\W_]+")
_BETWEEN_DIGITS = re.compile(r"(?<=\d) (?=\d)")


def application_profile_region(name: str) -> str | None:
    """Return the region of the ARN of an application inference profile, or None for another name."""
    arn = _ARN.fullmatch(name)
    return arn["region"] or None if arn and arn["kind"] == "application-inference-profile" else None


@dataclass(frozen=True, slots=True)
class ResolvedModel:
    """The model for a name passed by the caller.

    Attributes:
        requested: the name passed by the caller.
        model_id: the model's id, or the name itself if it is not in the catalog.
        model_name: the display name, or the id of a model without one.
        pinned_invoke_id: the only id to invoke if the name is a profile, the ARN of another resource than a
            model, or unknown; None if every access method of the model may be used.
        region: the only region in which an ARN is valid, or None.
        known: whether the catalog contains the model.
        warnings: messages for the caller about the name.
        application_profile: the profile if the name is the ARN of an application inference profile whose
            model is known, or None.
    """

    requested: str
    model_id: str
    model_name: str
    pinned_invoke_id: str | None = None
    region: str | None = None
    known: bool = True
    warnings: tuple[str, ...] = ()
    application_profile: ApplicationProfile | None = None

    @property
    def called_id(self) -> str:
        """The id of what is called: an application inference profile, or the model."""
        return self.application_profile.arn if self.application_profile else self.model_id


class UnknownNameError(ConfigurationError):
    """The catalog does not contain the name. Bedrock may know it."""


class NameResolver:
    """Resolves names against one catalog. Indexes for alternative spellings are built when needed."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog

    def resolve(self, name: str) -> ResolvedModel:
        """Return the model for a name.

        Raises:
            UnknownNameError: no model has the name. The message lists similar names.
            ConfigurationError: several models have the name, or it is not a valid name.
        """
        text = _checked(name)
        if arn := _ARN.fullmatch(text):
            return self._arn(name, arn)
        if text in self._models:
            return self._model(name, text)
        if profile := self._profile(name, text):
            return profile
        if found := self._by_name(text):
            return self._model(name, found)
        if found := self._profiles_by_key.get(_key(text)):
            return self._pinned(name, model_id=found.partition(".")[2], profile_id=found)
        if _ID.fullmatch(text):
            return self._passed_through(name, text)
        raise UnknownNameError(
            f'Unknown model "{text}": models accepts display names, model ids, inference-profile ids and '
            f"ARNs. Similar names: {self._similar(text)}",
            {"models": name},
        )

    def find(self, name: str) -> str | None:
        """Return the id of the model with this name; None when no model or several have it."""
        try:
            return self._by_name(name)
        except ConfigurationError:
            return None

    def has_profile(self, profile_id: str) -> bool:
        """Whether a region offers this inference profile."""
        return profile_id in self._profiles

    def _model(self, name: str, model_id: str) -> ResolvedModel:
        return ResolvedModel(name, model_id, self._models[model_id])

    def _pinned(self, name: str, *, model_id: str, profile_id: str) -> ResolvedModel:
        warnings: tuple[str, ...] = ()
        if profile_id not in self._profiles:
            warnings = (
                f'The catalog contains the model of "{name}" but not the profile; the id is used unchanged',
            )
        return ResolvedModel(name, model_id, self._models[model_id], profile_id, warnings=warnings)

    def _profile(self, name: str, text: str) -> ResolvedModel | None:
        prefix, _, model_id = text.lower().partition(".")
        if _PREFIX.fullmatch(prefix) and model_id in self._models:
            return self._pinned(name, model_id=model_id, profile_id=f"{prefix}.{model_id}")
        return None

    def _arn(self, name: str, arn: re.Match[str]) -> ResolvedModel:
        kind, resource, region = arn["kind"], arn["id"], arn["region"] or None
        if kind == "foundation-model":
            if resource in self._models:
                return self._model(name, resource)
            return self._passed_through(name, resource)
        if kind == "inference-profile" and (profile := self._profile(name, resource)):
            return profile
        if application := self.catalog.application_profile(arn.string):
            return self._application_profile(name, application, region=region)
        return self._passed_through(name, name.strip(), region=region)

    def _application_profile(
        self, name: str, profile: ApplicationProfile, *, region: str | None
    ) -> ResolvedModel:
        model_name = self._models.get(profile.model_id, profile.model_id)
        return ResolvedModel(
            name, profile.model_id, model_name, profile.arn, region=region, application_profile=profile
        )

    def _passed_through(self, name: str, text: str, *, region: str | None = None) -> ResolvedModel:
        similar = "" if region else f" (similar names: {self._similar(text)})"
        where = f" in {region}" if region else ""
        warning = f'The catalog does not contain "{name}"{similar}; the id is used unchanged{where}'
        return ResolvedModel(name, text, text, text, region=region, known=False, warnings=(warning,))

    def _by_name(self, text: str) -> str | None:
        lowered = text.lower()
        exact = self._ids_by_lower.get(lowered)
        if exact:
            return self._only(text, exact)
        key = _key(text)
        for level in self._levels:
            if ids := level.get(key):
                return self._only(text, ids)
        return None

    def _only(self, text: str, ids: Iterable[str]) -> str:
        candidates = sorted(set(ids), key=lambda id_: (len(id_), id_))
        base = candidates[0]
        # Provisioned variants (":48k") share the name of the model they are variants of.
        if all(id_ == base or id_.startswith(f"{base}:") for id_ in candidates):
            return base
        raise ConfigurationError(
            f'"{text}" is the name of several models. Use one of their ids: {", ".join(candidates)}',
            {"models": text},
        )

    def _similar(self, text: str) -> str:
        import difflib  # used for errors only

        known = {name.lower(): name for name in (*self._models, *aliases(), *self._models.values())}
        similar = difflib.get_close_matches(text.lower(), known, n=_MAX_SUGGESTIONS, cutoff=0.4)
        return ", ".join(f'"{known[name]}"' for name in similar) or "none"

    @cached_property
    def _models(self) -> Mapping[str, str]:
        """Display name by id. The names of the catalog override those of the model table."""
        names = {id_: entry.model_name for id_, entry in self.catalog.models.items()}
        return {**names, **known_names(), **{id_: name for id_, name in names.items() if name != id_}}

    @cached_property
    def _names(self) -> frozenset[tuple[str, str]]:
        """Every pair of id and display name from the catalog and the model table."""
        return frozenset({*self._models.items(), *known_names().items(), *self.catalog.display_names()})

    @cached_property
    def _ids_by_lower(self) -> Mapping[str, set[str]]:
        return _grouped((text.lower(), id_) for id_, name in self._names for text in (id_, name))

    @cached_property
    def _levels(self) -> tuple[Mapping[str, set[str]], ...]:
        """Ids by normalized name, in lookup order."""
        names = _grouped(
            (_key(text), id_) for id_, name in self._names for text in _spellings_of_name(id_, name)
        )
        ids = _grouped((_key(text), id_) for id_ in self._models for text in _spellings_of_id(id_))
        others = _grouped((_key(alias), id_) for alias, id_ in aliases().items())
        return names, ids, others

    @cached_property
    def _profiles(self) -> frozenset[str]:
        return frozenset(self.catalog.profile_ids())

    @cached_property
    def _profiles_by_key(self) -> Mapping[str, str]:
        return {_key(profile): profile for profile in self._profiles}


def _checked(name: object) -> str:
    if not isinstance(name, str):
        raise ConfigurationError(
            f"models accepts display names, model ids, inference-profile ids and ARNs as strings "
            f"(got {type(name).__name__})",
            {"models": name},
        )
    text = " ".join(unicodedata.normalize("NFKC", name).split())
    if not text or len(text) > _MAX_LENGTH:
        raise ConfigurationError(
            f"a name in models must have 1 to {_MAX_LENGTH} characters (got {len(text)})", {"models": name}
        )
    return text


def _key(text: str) -> str:
    """Return a name in lower case without separators, except between digits: 3.1 is not 31."""
    folded = unicodedata.normalize("NFKC", text).casefold().replace("+", " plus ")
    words = _SEPARATORS.sub(" ", folded).strip()
    return _BETWEEN_DIGITS.sub(".", words).replace(" ", "")


def _spellings_of_name(model_id: str, name: str) -> Iterator[str]:
    yield name
    yield f"{model_id.partition('.')[0]} {name}"


def _spellings_of_id(model_id: str) -> Iterator[str]:
    dated = {model_id, _DATE.sub("", model_id)}
    versioned = dated | {_REVISION.sub("", spelling) for spelling in dated}
    for spelling in versioned | {_VERSION.sub("", spelling) for spelling in dated}:
        yield spelling
        yield spelling.partition(".")[2] or spelling


def _grouped(pairs: Iterable[tuple[str, str]]) -> Mapping[str, set[str]]:
    groups: dict[str, set[str]] = {}
    for key, id_ in pairs:
        groups.setdefault(key, set()).add(id_)
    return groups
