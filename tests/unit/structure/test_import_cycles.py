"""No module imports itself through others, imports for type checking included."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[3]


def modules() -> dict[str, Path]:
    """The files of all modules that are not packages, by module name."""
    folders = ("llmmanager", "lambdas", "infra", "local")
    files = (path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts): path
        for path in files
        if path.name != "__init__.py"
    }


def imported_by(name: str, path: Path) -> set[str]:
    """The names that a module imports anywhere in its code, as absolute names."""
    package, found = name.split(".")[:-1], set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            source = ".".join([*above, *([node.module] if node.module else [])])
            found |= {source, *(f"{source}.{alias.name}" for alias in node.names)}
    return found


def test_no_module_imports_itself_through_others() -> None:
    known = modules()
    graph = {name: imported_by(name, path) & known.keys() for name, path in known.items()}
    # Raises CycleError with the names of the modules in a cycle.
    assert set(TopologicalSorter(graph).static_order()) == known.keys()
