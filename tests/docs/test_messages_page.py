"""Each row of the tables on the page about Messages has a test, and each such test a row."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path

from lambdas.streaming_api.messages.request_fields import FIELDS

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/streaming-api/messages.md"
TESTS = ROOT / "tests/unit/lambdas/streaming_api/messages"


def documented_rows() -> list[str]:
    lines = PAGE.read_text("utf-8").splitlines()
    headers = {number - 1 for number, line in enumerate(lines) if line.startswith("| ---")}
    return [
        line.split(" | ")[0].removeprefix("| ")
        for number, line in enumerate(lines)
        if line.startswith("| ") and not line.startswith("| ---") and number not in headers
    ]


def rows_of_tests() -> list[str]:
    names = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts) for path in sorted(TESTS.glob("test_*.py"))
    ]
    return [
        row
        for name in names
        for test_name, test in inspect.getmembers(importlib.import_module(name), inspect.isfunction)
        if test_name.startswith("test_")
        for row in getattr(test, "messages_rows", ())
    ]


def test_each_row_has_a_test_and_each_tested_row_is_documented() -> None:
    documented, tested = documented_rows(), rows_of_tests()
    assert len(set(documented)) == len(documented) > 70
    assert sorted(set(tested)) == sorted(documented)


def test_the_page_names_every_field_without_effect_and_every_field_that_is_not_supported() -> None:
    lines = {line.split(" | ")[0]: line for line in PAGE.read_text("utf-8").splitlines()}
    assert all(f"`{name}`" in lines["| fields without effect"] for name in FIELDS.ignored)
    assert all(f"`{name}`" in lines["| fields that are not supported"] for name in FIELDS.unsupported)
