"""docs/api.md: the public names of the library, from their docstrings and signatures."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterator, Mapping
from enum import Enum
from functools import cache
from typing import Any, Final

from local.generate_reference.api_layout import SECTIONS, Entry, Section
from local.generate_reference.docstring_text import (
    DocstringParts,
    errors_text,
    linked,
    paragraphs,
    parts_of,
    row_of,
    table,
)
from local.generate_reference.documented import Documented, Member, documented
from local.generate_reference.stub_blocks import stub_block

_INTRODUCTION: Final = """\
# API

<!-- Written by `make reference` from the docstrings. -->

This page lists every public name. The blocks are stubs, and the first line of each is its import. Times are
seconds unless a name ends in `_ms`. Parameters after `*` (in classes: after `_: KW_ONLY`) are keyword-only.
`...` is a default that each object creates for itself: an empty list or dict, unless the text says otherwise.
"""


def api_page() -> str:
    """Return the text of docs/api.md.

    Raises:
        ValueError: a public name has no docstring, or a parameter or field is not described.
    """
    parts = [_INTRODUCTION.rstrip(), "\n".join(map(_contents, SECTIONS))]
    for section in SECTIONS:
        parts += [f"## {section.title}", section.text, *map(_entry, section.entries)]
    return "\n\n".join(filter(None, parts)) + "\n"


def _contents(section: Section) -> str:
    names = ", ".join(f"[{entry.name}](#{_anchor(entry.name)})" for entry in section.entries)
    return f"- [{section.title}](#{section.title.lower().replace(' ', '-')}): {names}"


def _entry(entry: Entry) -> str:
    item = documented(entry)
    parts = parts_of(item.source)
    texts = _class(item, parts) if isinstance(item.described, type) else _function(item.described, parts)
    text = linked("\n\n".join(filter(None, texts)), _anchors(), of=entry.name)
    return "\n\n".join([f"### {entry.name}", stub_block(item), text])


def _class(item: Documented, parts: DocstringParts) -> Iterator[str]:
    _check_items(item, parts)
    yield paragraphs(parts.text)
    yield item.entry.guide
    if parts.items:
        yield table(_head(item.described), parts.items)
    yield errors_text(parts)
    members = {member.name: (member, parts_of(member.source)) for member in _described_members(item)}
    rows = {name: found.text if found.items else row_of(found) for name, (_, found) in members.items()}
    sections = {name: member for name, (member, found) in members.items() if found.items}
    if rows:
        links = {name: _anchor(f"{item.entry.name}.{name}") for name in sections}
        yield table("member", rows, links=links)
    for name, member in sections.items():
        yield f"#### {item.entry.name}.{name}"
        yield from _function(member.function, members[name][1])


def _function(function: Any, parts: DocstringParts) -> Iterator[str]:
    names = [name for name in inspect.signature(function).parameters if name != "self"]
    _check_described(function.__qualname__, names, parts)
    yield paragraphs(parts.text)
    yield table("parameter", parts.items)
    yield parts.returns
    yield errors_text(parts)


def _described_members(item: Documented) -> Iterator[Member]:
    """Yield the methods and properties that have a row or a section of their own."""
    yield from (m for m in item.members() if m.function and not m.name.startswith("_"))


def _head(cls: type) -> str:
    if issubclass(cls, Enum):
        return "value"
    if dataclasses.is_dataclass(cls):
        return "field"
    return "attribute" if issubclass(cls, Exception) else "parameter"


def _check_items(item: Documented, parts: DocstringParts) -> None:
    """Check that the docstring of a class describes its values, fields, attributes or parameters."""
    cls = item.described
    if issubclass(cls, Enum):
        names = [value.name for value in cls]
    elif dataclasses.is_dataclass(cls):
        names = [field.name for field in dataclasses.fields(cls)]
    else:
        members = list(item.members())
        names = [member.name for member in members if member.kind == "attribute"]
        constructors = [m.function for m in members if m.name == "__init__"]
        if constructors and not issubclass(cls, Exception):
            parameters = inspect.signature(constructors[0]).parameters
            names += [n for n, p in parameters.items() if n != "self" and p.kind is not p.VAR_POSITIONAL]
    _check_described(cls.__name__, names, parts)


def _check_described(owner: str, names: list[str], parts: DocstringParts) -> None:
    if missing := [name for name in names if name not in parts.items]:
        raise ValueError(f"the docstring of {owner} needs a description of {', '.join(missing)}")


@cache
def _anchors() -> Mapping[str, str]:
    """Return the anchors of all classes and functions, and of the methods that have a section."""
    names = []
    for entry in (entry for section in SECTIONS for entry in section.entries):
        names.append(entry.name)
        item = documented(entry)
        if isinstance(item.described, type):
            members = _described_members(item)
            names += [f"{entry.name}.{member.name}" for member in members if parts_of(member.source).items]
    return {name: _anchor(name) for name in names}


def _anchor(heading: str) -> str:
    """Return the anchor that GitHub and MkDocs give a heading of one word."""
    return heading.lower().replace(".", "")
