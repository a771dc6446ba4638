"""docs/reference-coverage.md tells the truth: tests exist, places are real, nothing is missing."""

from __future__ import annotations

import ast
import importlib
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "reference-coverage.md").read_text("utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split(" | ")]
    for line in TEXT.splitlines()
    if line.startswith("| ") and not line.startswith(("| Reference |", "| --- |"))
]
PLACES = sorted({place.strip("`") for _, place, _ in ROWS})
TESTS = sorted(set(re.findall(r"`([\w/]+\.py)::(\w+)`", TEXT)))


@cache
def functions_of(file: Path) -> frozenset[str]:
    tree = ast.parse(file.read_text("utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))


def looked_up(place: str) -> Any:
    """What a dotted path leads to; for a dataclass's field, its declaration."""
    names = place.split(".")
    split = next((n for n, name in enumerate(names) if not name.islower()), len(names))
    found: Any = importlib.import_module(".".join(names[:split]))
    for name in names[split:]:
        fields = getattr(found, "__dataclass_fields__", {})
        found = fields[name] if name in fields else getattr(found, name)
    return found


def test_every_row_names_a_place_and_a_test() -> None:
    assert len(ROWS) > 150
    for item, place, shown in ROWS:
        assert item
        assert place.startswith("`llmmanager.")
        assert "::" in shown or shown == "as above"


def test_as_above_is_said_only_where_something_stands_above() -> None:
    for section in TEXT.split("\n## ")[1:]:
        assert "| as above |" not in section or "All rows: " in section


@pytest.mark.parametrize("place", PLACES)
def test_every_place_in_the_table_can_be_imported(place: str) -> None:
    assert looked_up(place) is not None


@pytest.mark.parametrize(("file", "test"), TESTS, ids=[test for _, test in TESTS])
def test_every_test_in_the_table_exists(file: str, test: str) -> None:
    path = ROOT / file if "/" in file else Path(__file__).with_name(file)
    assert test in functions_of(path)


def test_every_test_of_the_reference_is_in_the_table() -> None:
    here = Path(__file__)
    written = {
        (file.name, test)
        for file in here.parent.glob("test_*.py")
        if file != here
        for test in functions_of(file)
        if test.startswith("test_")
    }
    assert written - {("test_signatures.py", "test_every_documented_signature_is_compared")} <= set(TESTS)


def test_every_code_block_is_in_the_table_in_the_references_order(snippets) -> None:
    named = re.findall(r"`(\d\d-[\w-]+)`", TEXT)
    assert named == snippets.names()
    assert len(named) == 28


def names_in(tree: ast.AST) -> set[str]:
    """Names of the library that a code block uses: parameters, members, imports and constants."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.Call):
            names |= {str(keyword.arg) for keyword in node.keywords}
        elif isinstance(node, ast.Attribute):
            names.add(node.attr)
        elif isinstance(node, ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Name) and node.id.isupper():
            names.add(node.id)
    return names - {"get", "lower", "items", "read"}  # of str, dict and file


def test_every_name_of_the_code_blocks_is_in_the_table(snippets) -> None:
    documented: set[str] = set()
    for name in snippets.names()[:7]:
        for function in snippets.functions(name).values():
            documented |= {function.name, *(argument.arg for argument in function.args.args)}
    for name in snippets.names()[7:]:
        documented |= names_in(ast.parse(snippets.text(name)))
    words = set(re.findall(r"\w+", " ".join(item for item, _, _ in ROWS)))
    assert documented - {"self"} <= words
