"""Each row of the tables on a page about an API of clients has a test, and each such test a row."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path

import pytest

from lambdas.streaming_api.chat_completions.request_fields import CHAT_FIELDS
from lambdas.streaming_api.field_treatment import FieldTreatment
from lambdas.streaming_api.messages.request_fields import MESSAGES_FIELDS
from lambdas.streaming_api.responses.request_fields import RESPONSES_FIELDS

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs/streaming-api"
TESTS = ROOT / "tests/unit/lambdas/streaming_api"
TABLES = ("| in the request |", "| from Converse |", "| error |", "| the count |", "| the list |")


def documented_rows(page: str) -> list[str]:
    rows = []
    is_tested = False
    for line in (PAGES / page).read_text("utf-8").splitlines():
        if not line.startswith("|"):
            is_tested = False
        elif line.startswith(TABLES):
            is_tested = True
        elif is_tested and not line.startswith("| ---"):
            rows.append(line.split(" | ")[0].removeprefix("| "))
    return rows


def rows_of_tests(*folders: str) -> list[str]:
    paths = [path for folder in folders for path in sorted((TESTS / folder).glob("test_*.py"))]
    names = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in paths]
    return [
        row
        for name in names
        for test_name, test in inspect.getmembers(importlib.import_module(name), inspect.isfunction)
        if test_name.startswith("test_")
        for row in getattr(test, "rows", ())
    ]


@pytest.mark.parametrize(
    ("page", "folders"),
    [
        ("chat-completions.md", ("", "chat_completions")),
        ("messages.md", ("messages",)),
        ("responses.md", ("responses",)),
    ],
)
def test_each_row_has_a_test_and_each_tested_row_is_documented(page: str, folders: tuple[str, ...]) -> None:
    documented, tested = documented_rows(page), rows_of_tests(*folders)
    assert len(set(documented)) == len(documented) > 40
    assert sorted(set(tested)) == sorted(documented)


@pytest.mark.parametrize(
    ("page", "fields"),
    [
        ("chat-completions.md", CHAT_FIELDS),
        ("messages.md", MESSAGES_FIELDS),
        ("responses.md", RESPONSES_FIELDS),
    ],
)
def test_a_page_names_every_field_without_effect_and_every_field_that_is_not_supported(
    page: str, fields: FieldTreatment
) -> None:
    lines = {line.split(" | ")[0]: line for line in (PAGES / page).read_text("utf-8").splitlines()}
    assert all(f"`{name}`" in lines["| fields without effect"] for name in fields.ignored)
    assert all(f"`{name}`" in lines["| fields that are not supported"] for name in fields.unsupported)
