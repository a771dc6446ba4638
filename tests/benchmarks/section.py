"""What one benchmark found, as a section of docs/benchmarks: figures, tables of its own, and pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.benchmarks.figures import Figure


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table with headings of its own.

    Attributes:
        caption: the sentences above it.
        in_readme: whether the README shows it too.
    """

    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""
    in_readme: bool = False


@dataclass(frozen=True, kw_only=True)
class Picture:
    """An SVG file.

    Attributes:
        name: the file's name without its extension.
        script: the program of `workers` that draws it from `data`.
        title: what it shows, for those who do not see it.
    """

    name: str
    script: str
    title: str
    data: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Section:
    """A section of the page: pictures, tables and figures in this order."""

    pictures: Sequence[Picture] = ()
    tables: Sequence[Table] = field(default=())
    figures: Sequence[Figure] = ()
