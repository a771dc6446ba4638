"""The problems that docs/http-api.md lists are those that its callers meet, from whichever function."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# What is called with the status and the last part of the type.
MAKERS = {"Problem", "_unanswered"}


def problems_in(path: Path) -> set[tuple[int, str]]:
    return {
        (node.args[0].value, node.args[1].value)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in MAKERS
        if len(node.args) > 1 and all(isinstance(argument, ast.Constant) for argument in node.args[:2])
    }


def test_every_problem_is_listed_with_its_status_and_no_other() -> None:
    lambdas = ROOT / "lambdas"
    # A request that is answered later goes through the events door.
    doors = [path for door in ("http_api", "events") for path in (lambdas / door).glob("*.py")]
    sources = [*doors, lambdas / "shared" / "problems.py"]
    raised = set().union(*map(problems_in, sources))
    rows = re.findall(r"^\| (\d{3}) \| `([a-z-]+)` \|", (ROOT / "docs" / "http-api.md").read_text(), re.M)
    assert {(int(status), slug) for status, slug in rows} == raised
