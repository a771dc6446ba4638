"""The table of problem types, from which docs/http-api.md is generated, has those that the code creates."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from lambdas.shared.problem_types import PROBLEM_TYPES

ROOT = Path(__file__).resolve().parents[4]
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
