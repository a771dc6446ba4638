"""Docstrings as Markdown: their text, and tables of the arguments and attributes that they describe."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Final

import griffe

_KINDS: Final = griffe.DocstringSectionKind
_CODE: Final = re.compile(r"`([A-Za-z]\w*)(\.\w+)?(\(\))?`")


@dataclass(slots=True)
class DocstringParts:
    """The parts of a docstring.

    Attributes:
        text: the paragraphs before the sections.
        returns: a sentence on the result, if it has a section of its own.
        items: what each argument or attribute is, by name.
        errors: when each exception is raised, by name.
    """

    text: str = ""
    returns: str = ""
    items: dict[str, str] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)


def parts_of(source: griffe.Object) -> DocstringParts:
    """Return the parts of the docstring of a class, function or property.

    Raises:
        ValueError: there is no docstring, or a line in one of its sections is not `name: description`.
    """
    if source.docstring is None:
        raise ValueError(f"{source.path} needs a docstring: docs/api.md shows it")
    parts, texts = DocstringParts(), []
    for section in _sections(source):
        match section.kind:
            case _KINDS.text:
                texts.append(section.value)
            case _KINDS.returns:
                parts.returns = _sentence("Returns", section.value[0].description)
            case _KINDS.parameters | _KINDS.attributes:
                for item in section.value:
                    parts.items |= dict.fromkeys(_names(item), _line(item.description))
            case _KINDS.raises:
                parts.errors |= {str(item.annotation): _line(item.description) for item in section.value}
            case kind:
                raise ValueError(f"{source.path} has a section that docs/api.md does not show: {kind.value}")
    parts.text = "\n\n".join(texts)
    return parts


def paragraphs(text: str) -> str:
    """Return the paragraphs of a docstring, each on one line."""
    return "\n\n".join(_line(paragraph) for paragraph in text.split("\n\n"))


def table(head: str, rows: Mapping[str, str], *, links: Mapping[str, str] | None = None) -> str:
    """Return a table of names and their meanings. Neighbours with the same meaning share a row.

    Args:
        head: the head of the first column.
        rows: the meanings by name.
        links: the anchors of names that have a section of their own.
    """
    lines = [f"| {head} | meaning |", "| --- | --- |"]
    for meaning, group in groupby(rows, key=lambda name: rows[name]):
        names = [f"[`{name}`](#{links[name]})" if links and name in links else f"`{name}`" for name in group]
        escaped = _line(meaning).replace("|", "\\|")
        lines.append(f"| {', '.join(names)} | {escaped} |")
    return "\n".join(lines)


def row_of(parts: DocstringParts) -> str:
    """Return the meaning of a method or property in a table: its docstring on one line."""
    errors = (f"Raises {error}" for error in _errors(parts))
    return " ".join(filter(None, [parts.text, parts.returns, *errors]))


def errors_text(parts: DocstringParts) -> str:
    """Return a sentence on the only exception, or a list of the exceptions."""
    errors = list(_errors(parts))
    if len(errors) < 2:
        return f"Raises {errors[0]}" if errors else ""
    return "\n".join(["Raises", "", *(f"- {error}" for error in errors)])


def linked(text: str, anchors: Mapping[str, str], *, of: str) -> str:
    """Return the text with links from names of the page to their sections.

    Args:
        text: Markdown.
        anchors: the anchors by name, such as "LLMManager" and "LLMManager.converse".
        of: the name whose section the text is in, which gets no link.
    """

    def link(found: re.Match[str]) -> str:
        owner, member = found[1], found[2] or ""
        anchor = anchors.get(owner + member) or anchors.get(owner)
        return found[0] if owner == of or anchor is None else f"[{found[0]}](#{anchor})"

    return _CODE.sub(link, text)


def _sections(source: griffe.Object) -> Iterator[Any]:
    docstring = source.docstring
    assert docstring is not None
    with _Warnings() as warnings:
        sections = docstring.parse(
            "google",
            returns_multiple_items=False,
            returns_named_value=False,
            warn_unknown_params=False,
            warn_missing_types=False,
        )
    if warnings.messages:
        raise ValueError(f"the docstring of {source.path} is invalid: {'; '.join(warnings.messages)}")
    yield from sections


def _names(item: Any) -> list[str]:
    """Return the names of an item. In `a, b: text`, griffe takes what follows the first name for a type."""
    others = str(item.annotation).strip("()") if item.name.endswith(",") else ""
    return re.findall(r"\w+", f"{item.name}{others}")


class _Warnings(logging.Handler):
    """Collects what griffe reports about docstrings."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []
        self._logger = logging.getLogger("griffe")

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())

    def __enter__(self) -> _Warnings:
        self._logger.addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        self._logger.removeHandler(self)


def _errors(parts: DocstringParts) -> Iterator[str]:
    for names, text in parts.errors.items():
        yield _sentence(", ".join(f"`{name}`" for name in re.findall(r"\w+", names)), text)


def _sentence(start: str, text: str) -> str:
    """Return "start: text" as one sentence that ends with a full stop."""
    line = _line(text)
    return f"{start}: {line}" if line.endswith(".") else f"{start}: {line}."


def _line(text: str) -> str:
    return " ".join(text.split())
