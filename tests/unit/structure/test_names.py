"""One name, one thing: classes, and modules of the functions, do not share names."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[3]
# A function's `handler` has its entry point, and its `routes` the table of the API that it serves.
SAME_IN_EACH_FUNCTION = {"__init__", "__main__", "handler", "routes"}
# Each of these packages maps one API of clients to Converse. They have the same parts.
MAPPINGS = {"chat_completions", "messages", "responses"}


def public_classes(path: Path) -> Iterator[str]:
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield node.name


def repeated(places: dict[str, list[str]]) -> dict[str, list[str]]:
    return {name: paths for name, paths in places.items() if len(paths) > 1}


def test_no_two_public_classes_have_the_same_name() -> None:
    places = defaultdict(list)
    for folder in ("llmmanager", "lambdas", "infra", "local"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for name in public_classes(path):
                places[name].append(str(path.relative_to(ROOT)))
    assert len(places) > 100
    assert repeated(places) == {}


def test_no_two_modules_of_the_functions_have_the_same_name() -> None:
    places = defaultdict(list)
    for path in sorted((ROOT / "lambdas").rglob("*.py")):
        if path.stem not in SAME_IN_EACH_FUNCTION and path.parent.name not in MAPPINGS:
            places[path.stem].append(str(path.relative_to(ROOT)))
    assert len(places) > 50
    assert repeated(places) == {}
