"""docs/http-api.md lists all problems that callers of the API can get, from every function."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from lambdas.shared.problem_types import PROBLEM_TYPES

ROOT = Path(__file__).resolve().parents[2]
# Functions that are called with the last part of the type.
CONSTRUCTORS = {"Problem", "_unanswered"}


def types_in(path: Path) -> Iterator[str]:
    """Yield the types of the problems that a module creates, given as text or as a constant of the module."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CONSTRUCTORS:
            match node.args[0]:
                case ast.Constant(value=str(name)):
                    yield name
                case ast.Name(id=name) if name.isupper():
                    module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
                    yield getattr(import_module(module), name)


def test_the_code_creates_every_type_of_problem_and_no_other() -> None:
    created = {name for path in (ROOT / "lambdas").rglob("*.py") for name in types_in(path)}
    assert created == PROBLEM_TYPES.keys()


def test_the_page_lists_every_problem_with_its_status_and_meaning() -> None:
    page = (ROOT / "docs" / "http-api.md").read_text()
    rows = re.findall(r"^\| (\d{3}) \| `([a-z-]+)` \| (.*) \|$", page, re.M)
    assert {(int(status), name, meaning) for status, name, meaning in rows} == {
        (status, name, f"only in `GET /v1/requests/{{id}}`: {meaning}" if place == "outcome" else meaning)
        for name, (status, meaning, _, place) in PROBLEM_TYPES.items()
        if place != "queue"
    }
