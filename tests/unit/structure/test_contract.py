"""The template and the functions share the contract and the tables of routes, and nothing else."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from lambdas import contract

ROOT = Path(__file__).parents[3]
CONTRACT = ROOT / "lambdas" / "contract.py"
# A table of routes is data too, but its rows are objects, so it is a module of its entry point.
SHARED = {"lambdas.contract", "lambdas.http_api.routes", "lambdas.streaming_api.routes"}
NEEDED_BY_ROUTES = {"__future__", "collections.abc", "typing", "lambdas.shared.api_route"}


def sources(*folders: str) -> Iterator[tuple[str, ast.Module]]:
    """The parsed modules in these folders, with their paths."""
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if path != CONTRACT:
                yield str(path.relative_to(ROOT)), ast.parse(path.read_text())


def imported_modules(tree: ast.Module) -> set[str]:
    """The absolute names of the modules that a module imports anywhere in its code."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found


def texts(tree: ast.Module) -> Iterator[str]:
    """The strings in a module's code, without docstrings and other strings that are statements."""
    statements = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in statements:
            yield node.value


def distinctive_names() -> set[str]:
    """The names in the contract that are not also ordinary words."""
    groups = [value for value in vars(contract).values() if isinstance(value, type)]
    values = [
        value
        for owner in (contract, *groups)
        for name, value in vars(owner).items()
        if isinstance(value, str) and not name.startswith("__")
    ]
    return {value for value in values if not value.isalpha()}


def test_the_contract_imports_nothing() -> None:
    assert not imported_modules(ast.parse(CONTRACT.read_text()))


def test_a_table_of_routes_imports_only_the_class_of_its_rows() -> None:
    for path in ("http_api/routes.py", "streaming_api/routes.py", "shared/api_route.py"):
        assert imported_modules(ast.parse((ROOT / "lambdas" / path).read_text())) <= NEEDED_BY_ROUTES


def test_the_template_imports_of_the_functions_only_data() -> None:
    found = {
        (path, name)
        for path, tree in sources("infra")
        for name in imported_modules(tree)
        if name.partition(".")[0] == "lambdas"
    }
    assert {(path, name) for path, name in found if name not in SHARED} == set()


def test_a_name_of_the_contract_is_written_only_there() -> None:
    names = distinctive_names()
    assert {"LLMMANAGER_BUCKET", "batches/", "manifest.json", "LLM Request", "aws.s3"} <= names
    written = {
        (path, name)
        for path, tree in sources("infra", "lambdas")
        for text in texts(tree)
        for name in names
        if name == text or ("/" in name and text.startswith(name))
    }
    assert written == set()
