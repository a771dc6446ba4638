"""What a caller may call a model: display names, model ids, inference-profile ids and ARNs.

A name means a model only when it is one of that model's own names or ids, give or take case, spaces,
dashes, dots, the date and the version suffix. Nothing is ever taken for something similar.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from llmmanager.bedrock.catalog.entries import Catalog
from llmmanager.bedrock.catalog.facts import aliases, known_names
from llmmanager.bedrock.exceptions.llm_manager_exceptions import ConfigurationError

# What Converse takes as modelId is at most this long.
_LONGEST = 2048
_NEAREST = 5

_ARN = re.compile(r"arn:aws[a-z-]*:[a-z0-9-]+:(?P<region>[a-z0-9-]*):[0-9]*:(?P<kind>[a-z-]+)/(?P<id>\S+)")
_PREFIX = re.compile(r"[a-z]+(-[a-z]+)*")
_ID = re.compile(r"([a-z]+(-[a-z]+)*\.)?[a-z][a-z0-9]+\.[a-z][\w.:-]*")
_VERSION = re.compile(r"(-v\d+:\d+|-\d+:\d+|-v1)$")
_REVISION = re.compile(r":\d+$")
_DATE = re.compile(r"-20\d{6}(?=-|$)")

_SEPARATORS = re.compile(r"[\W_]+")
_BETWEEN_DIGITS = re.compile(r"(?<=\d) (?=\d)")


@dataclass(frozen=True, slots=True)
class ResolvedModel:
    """What a name that a caller gave stands for.

    Attributes:
        requested: the name as given.
        model_id: the model's id; for what the catalog does not know, what was given.
        model_name: its display name, or the id where it has none.
        pinned_invoke_id: the one id to invoke, where the caller named a profile, an ARN that is not a
            model's, or something unknown; None when every way in to the model will do.
        region: the only region in which an ARN works, or None.
        known: whether the catalog knows the model.
        warnings: what the caller should hear about the name.
    """

    requested: str
    model_id: str
    model_name: str
    pinned_invoke_id: str | None = None
    region: str | None = None
    known: bool = True
    warnings: tuple[str, ...] = ()


class UnknownNameError(ConfigurationError):
    """No model has this name; it may have one once Bedrock is asked."""


class NameResolver:
    """Resolves names against one catalog. What only odd spellings need is built when one turns up."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog

    def resolve(self, name: str) -> ResolvedModel:
        """The model that a name stands for.

        Raises:
            UnknownNameError: no model has the name; the message lists the nearest ones.
            ConfigurationError: several models have it, or it is not a name at all.
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
            f'Unknown model "{text}": models takes display names, model ids, inference-profile ids and '
            f"ARNs. Nearest: {self._nearest(text)}",
            {"models": name},
        )

    def find(self, name: str) -> str | None:
        """Return the id of the model with this name; None when no model or several have it."""
        try:
            return self._by_name(name)
        except ConfigurationError:
            return None

    def has_profile(self, profile_id: str) -> bool:
        """Whether some region offers this inference profile."""
        return profile_id in self._profiles

    def _model(self, name: str, model_id: str) -> ResolvedModel:
        return ResolvedModel(name, model_id, self._models[model_id])

    def _pinned(self, name: str, *, model_id: str, profile_id: str) -> ResolvedModel:
        warnings: tuple[str, ...] = ()
        if profile_id not in self._profiles:
            warnings = (
                f'The catalog knows the model of "{name}" but no such profile; it is called as given',
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
        return self._passed_through(name, name.strip(), region=region)

    def _passed_through(self, name: str, text: str, *, region: str | None = None) -> ResolvedModel:
        near = "" if region else f" (nearest: {self._nearest(text)})"
        where = f" in {region}, where it lives" if region else ""
        warning = f'The catalog does not know "{name}"{near}; it is called as given{where}'
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
            f'"{text}" is the name of several models; give one of their ids: {", ".join(candidates)}',
            {"models": text},
        )

    def _nearest(self, text: str) -> str:
        import difflib  # for errors only

        known = {name.lower(): name for name in (*self._models, *aliases(), *self._models.values())}
        near = difflib.get_close_matches(text.lower(), known, n=_NEAREST, cutoff=0.4)
        return ", ".join(f'"{known[name]}"' for name in near) or "none"

    @cached_property
    def _models(self) -> Mapping[str, str]:
        """Display name by id; what Bedrock told wins over the library's table."""
        told = {id_: entry.model_name for id_, entry in self.catalog.models.items()}
        return {**told, **known_names(), **{id_: name for id_, name in told.items() if name != id_}}

    @cached_property
    def _names(self) -> frozenset[tuple[str, str]]:
        """Every pair of id and display name, wherever it comes from."""
        return frozenset({*self._models.items(), *known_names().items(), *self.catalog.display_names()})

    @cached_property
    def _ids_by_lower(self) -> Mapping[str, set[str]]:
        return _grouped((text.lower(), id_) for id_, name in self._names for text in (id_, name))

    @cached_property
    def _levels(self) -> tuple[Mapping[str, set[str]], ...]:
        """Ids by normalised name, in the order in which a name is looked up."""
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
            f"models takes display names, model ids, inference-profile ids and ARNs as strings "
            f"(got {type(name).__name__})",
            {"models": name},
        )
    text = " ".join(unicodedata.normalize("NFKC", name).split())
    if not text or len(text) > _LONGEST:
        problem = "an empty name" if not text else f"a name of {len(text)} characters"
        raise ConfigurationError(f"models holds {problem}; 1 to {_LONGEST} are possible", {"models": name})
    return text


def _key(text: str) -> str:
    """A spelling without case and separators; those between digits stay, or 3.1 would be 31."""
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
