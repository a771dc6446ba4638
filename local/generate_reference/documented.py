"""The public classes and functions of docs/api.md, their members and docstrings, as griffe reads them."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import griffe

from local.generate_reference.api_layout import SECTIONS, Entry

_ROOT: Final = Path(__file__).resolve().parents[2]
# Special methods that are part of an interface.
_SPECIAL: Final = frozenset(
    (
        "__init__",
        "__iter__",
        "__enter__",
        "__exit__",
        "__aiter__",
        "__aenter__",
        "__aexit__",
        "__add__",
        "__sub__",
    )
)
_KINDS: Final = {property: "property", classmethod: "classmethod", staticmethod: "staticmethod"}


@dataclass(frozen=True, slots=True)
class Member:
    """A method, property or attribute of a class.

    Attributes:
        kind: "property", "classmethod", "staticmethod", "method" or "attribute".
        source: the member in the source.
        function: the function behind a method or property; None for an attribute.
    """

    name: str
    kind: str
    source: griffe.Object
    function: Any = None


@dataclass(frozen=True, slots=True)
class Documented:
    """A public class or function: the object itself, and its source."""

    entry: Entry
    described: Any
    source: griffe.Object

    def members(self) -> Iterator[Member]:
        """Yield the public members of a class in the order of the source, then those of internal bases."""
        cls, seen = self.described, set()
        for base in cls.__mro__:
            if base is cls or (_is_own(base) and not is_public(base)):
                for member in _members(base):
                    is_shown = self.entry.has_constructor if member.name == "__init__" else True
                    if member.name not in seen and is_shown:
                        seen.add(member.name)
                        yield member


def documented(entry: Entry) -> Documented:
    """Return the object of an entry."""
    described = getattr(import_module(entry.module), entry.name)
    return Documented(entry, described, source_of(described))


def is_public(cls: type) -> bool:
    """Whether the page describes a class."""
    return _is_own(cls) and cls.__name__ in _names()


def is_internal(cls: type) -> bool:
    """Whether a class is of this library, and the page does not describe it."""
    return _is_own(cls) and cls.__name__ not in _names()


def source_of(described: Any) -> griffe.Object:
    """Return the source of a class or function of the library."""
    return _found(f"{described.__module__}.{described.__qualname__}")


def module_of(described: Any) -> griffe.Object:
    """Return the module of a class or function of the library."""
    return _found(described.__module__)


def _is_own(cls: type) -> bool:
    return cls.__module__.startswith("llmmanager.")


@cache
def _names() -> frozenset[str]:
    return frozenset(entry.name for section in SECTIONS for entry in section.entries)


@cache
def _package() -> griffe.Object:
    package = griffe.load("llmmanager", search_paths=[_ROOT], allow_inspection=False, resolve_aliases=True)
    assert isinstance(package, griffe.Object)
    return package


def _found(path: str) -> griffe.Object:
    found = _package()[path.removeprefix("llmmanager.")]
    assert isinstance(found, griffe.Object), path
    return found


def _members(cls: type) -> Iterator[Member]:
    for name, source in source_of(cls).members.items():
        if (name.startswith("_") and name not in _SPECIAL) or not isinstance(source, griffe.Object):
            continue
        member = inspect.getattr_static(cls, name, None)
        function = _function(member)
        kind = "attribute" if function is None else _KINDS.get(type(member), "method")
        yield Member(name, kind, source, function)


def _function(member: Any) -> Any:
    """Return the function behind a method or property, with the signature that callers see; None for data."""
    if isinstance(member, property):
        return member.fget
    wrapped = getattr(member, "__func__", member)
    function = inspect.unwrap(wrapped, stop=lambda inner: hasattr(inner, "__signature__"))
    return function if inspect.isfunction(function) else None
