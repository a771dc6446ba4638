"""The names of this library in the table of the page about moving exist."""

from __future__ import annotations

import inspect
import re
from dataclasses import fields, is_dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import llmmanager

PAGE = Path(__file__).resolve().parents[2] / "docs" / "guides" / "moving.md"
NAME = re.compile(r"`([^`]+)`")


def rows() -> list[list[str]]:
    table = (
        PAGE.read_text("utf-8").partition("| name there | name here | difference |")[2].partition("\n\n")[0]
    )
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]


def exists(name: str) -> bool:
    """Whether a name exists: a module, an export, a member (`A.b`) or a parameter (`A.b(c)` or `A(c)`)."""
    if name.startswith("llmmanager."):
        return import_module(name) is not None
    path, _, parameter = name.rstrip(")").partition("(")
    first, _, member = path.partition(".")
    found: Any = getattr(llmmanager, first, None)
    if member:
        if is_dataclass(found) and member in {field.name for field in fields(found)}:
            return True
        annotated = member in getattr(found, "__annotations__", {})
        found = getattr(found, member, True if annotated else None)
    if parameter:
        return parameter in inspect.signature(found).parameters
    return found is not None


@pytest.mark.parametrize("name", sorted({name for row in rows() for name in NAME.findall(row[1])}))
def test_a_name_of_the_table_exists(name: str) -> None:
    assert exists(name)


@pytest.mark.parametrize(
    "name", ["Missing", "MessageBuilder.missing", "LLMManager(missing)", "AuthConfig.no"]
)
def test_a_missing_name_is_noticed(name: str) -> None:
    assert not exists(name)


def test_each_row_of_the_table_has_three_cells_and_says_what_to_do() -> None:
    assert len(rows()) > 25
    for row in rows():
        assert len(row) == 3, row
        assert NAME.search(row[0]), row
        assert NAME.search(row[1]) or row[2], row
