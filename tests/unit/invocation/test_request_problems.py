"""What a report calls the values and the fields that it refuses."""

from __future__ import annotations

import pytest

from llmmanager.bedrock.invocation.request_problems import Path, Problems, kind, quote


@pytest.mark.parametrize(
    ("value", "called"),
    [
        (None, "None"),
        (True, "True"),
        (1.5, "1.5"),
        (2**64 - 1, "18446744073709551615"),
        (2**64, "int"),
        ("secret", "str"),
    ],
)
def test_only_a_short_plain_value_is_shown_as_it_is(value: object, called: str) -> None:
    assert kind(value) == called


def test_a_quotation_ends_after_forty_characters() -> None:
    assert quote("x" * 40) == f'"{"x" * 40}"'
    assert quote("x" * 41) == f'"{"x" * 40}..."'


@pytest.mark.parametrize(
    ("path", "spelled"),
    [
        ((), "request"),
        ((((), "messages"), 0), "messages[0]"),
        (((((), "messages"), 0), "content"), "messages[0].content"),
        (((), "a b"), '["a b"]'),
        (((), "x" * 40), "x" * 40),
        (((), "x" * 41), f'["{"x" * 40}..."]'),
    ],
)
def test_a_path_is_spelled_as_python_would(path: Path, spelled: str) -> None:
    problems = Problems()
    problems.add(path, "is wrong")
    assert problems.found == [f"{spelled}: is wrong"]
