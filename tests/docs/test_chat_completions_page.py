"""Each row of the tables on the page about Chat Completions has a test, and each such test a row."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path

from lambdas.streaming_api.chat_completions.request_fields import CHAT_FIELDS

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/streaming-api/chat-completions.md"
TESTS = ROOT / "tests/unit/lambdas/streaming_api"
TABLES = ("| in the request |", "| from Converse |", "| error |")


def documented_rows() -> list[str]:
    rows = []
    is_tested = False
    for line in PAGE.read_text("utf-8").splitlines():
        if not line.startswith("|"):
            is_tested = False
        elif line.startswith(TABLES):
            is_tested = True
        elif is_tested and not line.startswith("| ---"):
            rows.append(line.split(" | ")[0].removeprefix("| "))
    return rows


def rows_of_tests() -> list[str]:
    names = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts) for path in sorted(TESTS.rglob("test_*.py"))
    ]
    return [
        row
        for name in names
        for test_name, test in inspect.getmembers(importlib.import_module(name), inspect.isfunction)
        if test_name.startswith("test_")
        for row in getattr(test, "rows", ())
    ]


def test_each_row_has_a_test_and_each_tested_row_is_documented() -> None:
    documented, tested = documented_rows(), rows_of_tests()
    assert len(set(documented)) == len(documented) > 50
    assert sorted(set(tested)) == sorted(documented)


def test_the_page_names_every_field_without_effect_and_every_field_that_is_not_supported() -> None:
    lines = {line.split(" | ")[0]: line for line in PAGE.read_text("utf-8").splitlines()}
    assert all(f"`{name}`" in lines["| fields without effect"] for name in CHAT_FIELDS.ignored)
    assert all(f"`{name}`" in lines["| fields that are not supported"] for name in CHAT_FIELDS.unsupported)
