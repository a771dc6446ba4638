"""docs/http-api.md lists all problems that callers of the API can get, from every function."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Functions that are called with the status and the last part of the type.
CONSTRUCTORS = {"Problem", "_unanswered"}


def problems_in(path: Path) -> set[tuple[int, str]]:
    return {
        (node.args[0].value, node.args[1].value)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CONSTRUCTORS
        if len(node.args) > 1 and all(isinstance(argument, ast.Constant) for argument in node.args[:2])
    }


def test_the_table_lists_every_problem_with_its_status() -> None:
    lambdas = ROOT / "lambdas"
    # The events function answers the asynchronous requests.
    sources = [path for room in ("http_api", "events", "shared") for path in (lambdas / room).glob("*.py")]
    raised = set().union(*map(problems_in, sources))
    rows = re.findall(r"^\| (\d{3}) \| `([a-z-]+)` \|", (ROOT / "docs" / "http-api.md").read_text(), re.M)
    assert {(int(status), slug) for status, slug in rows} == raised
