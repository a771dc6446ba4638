"""The client's fields for fields of the Converse request."""

from __future__ import annotations

import pytest

from lambdas.streaming_api.field_origins import client_path, client_problem

ORIGINS = {
    "messages[1]": "messages[2]",
    "messages[1].content[0]": "messages[2].content[1].text",
    "inferenceConfig.maxTokens": "max_tokens",
}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("messages[1].content[0].image.source.bytes", "messages[2].content[1].text"),
        ("messages[1].content[7]", "messages[2]"),
        ("messages[1].role", "messages[2]"),
        ("inferenceConfig.maxTokens", "max_tokens"),
        ("messages[10]", "messages[10]"),
        ("", ""),
    ],
)
def test_a_path_has_the_origin_of_the_field_around_it(path: str, expected: str) -> None:
    assert client_path(path, ORIGINS) == expected


def test_a_problem_gets_the_clients_path() -> None:
    assert client_problem("messages[1].content[0].text: must not be blank", ORIGINS) == (
        "messages[2].content[1].text",
        "must not be blank",
    )
    assert client_problem("body: not JSON", ORIGINS) == ("body", "not JSON")


@pytest.mark.parametrize(
    "problem",
    ["too many problems", "An error occurred (ValidationException) when calling Converse: bad image"],
)
def test_a_problem_without_a_path_is_left_as_it_is(problem: str) -> None:
    assert client_problem(problem, ORIGINS) == ("", problem)
