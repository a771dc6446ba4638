"""The description of rejected values and fields in a report."""

from __future__ import annotations

import pytest

from llmmanager.bedrock.validation.request_problems import Path, Problems, describe_value, quote


@pytest.mark.parametrize(
    ("value", "description"),
    [
        (None, "None"),
        (True, "True"),
        (1.5, "1.5"),
        (2**64 - 1, "18446744073709551615"),
        (2**64, "int"),
        ("secret", "str"),
    ],
)
def test_only_a_short_plain_value_is_shown(value: object, description: str) -> None:
    assert describe_value(value) == description


def test_a_quotation_ends_after_forty_characters() -> None:
    assert quote("x" * 40) == f'"{"x" * 40}"'
    assert quote("x" * 41) == f'"{"x" * 40}..."'


@pytest.mark.parametrize(
    ("path", "formatted"),
    [
        ((), "request"),
        ((((), "messages"), 0), "messages[0]"),
        (((((), "messages"), 0), "content"), "messages[0].content"),
        (((), "a b"), '["a b"]'),
        (((), "x" * 40), "x" * 40),
        (((), "x" * 41), f'["{"x" * 40}..."]'),
    ],
)
def test_a_path_is_formatted_like_python(path: Path, formatted: str) -> None:
    problems = Problems()
    problems.add(path, "is invalid")
    assert problems.found == [f"{formatted}: is invalid"]
