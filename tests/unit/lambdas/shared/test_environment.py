"""Values and dataclasses, read from environment variables."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.shared.environment import (
    EnvironmentVariableError,
    Variable,
    count,
    flag,
    list_of,
    map_of,
    matching,
    read,
    share,
    text,
    variable,
)


@dataclass(frozen=True, slots=True)
class Colours:
    first: str = variable("FIRST_COLOUR", matching("[a-z]+", "a lower-case word"))
    others: tuple[str, ...] = variable("OTHER_COLOURS", list_of("colours"), default='["red"]')
    number: int = variable("NUMBER_OF_COLOURS", count)


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("FIRST_COLOUR", "  green ")
    monkeypatch.setenv("NUMBER_OF_COLOURS", "12")
    return monkeypatch


def test_a_dataclass_gets_the_values_of_its_variables(environment: pytest.MonkeyPatch) -> None:
    assert read(Colours) == Colours(first="green", others=("red",), number=12)


def test_one_error_has_the_problems_of_all_variables(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("FIRST_COLOUR", "GREEN")
    environment.setenv("OTHER_COLOURS", '["red", "red"]')
    environment.setenv("NUMBER_OF_COLOURS", " ")
    with pytest.raises(EnvironmentVariableError) as raised:
        read(Colours)
    assert str(raised.value) == (
        "FIRST_COLOUR must be a lower-case word (got 'GREEN'); "
        'OTHER_COLOURS must be a JSON list of distinct colours (got \'["red", "red"]\'); '
        "NUMBER_OF_COLOURS must be set"
    )


@pytest.mark.parametrize(
    ("parse", "value", "accepted"),
    [
        (flag, "yes", "true or false"),
        (flag, "True", "true or false"),
        (count, "0", "an integer of at least 1"),
        (count, "1.5", "an integer of at least 1"),
        (share, "1", "a number from 0 to below 1"),
        (share, "nan", "a number from 0 to below 1"),
        (list_of("names", least=1), "[]", "a JSON list of at least 1 distinct names"),
        (list_of("names"), '["a", ""]', "a JSON list of distinct names"),
        (list_of("names"), '{"a": 1}', "a JSON list of distinct names"),
        (list_of("names"), "a, b", "a JSON list of distinct names"),
        (map_of("names"), "[]", "a JSON object of names"),
        (map_of("names"), '{"a": 1}', "a JSON object of names"),
        (map_of("names"), '{"a": ""}', "a JSON object of names"),
        (map_of("names"), '{"": "a"}', "a JSON object of names"),
        (map_of("names"), "a: b", "a JSON object of names"),
        (list_of("digits", matching("[0-9]", "a digit")), '["1", "x"]', "a JSON list of distinct digits"),
    ],
)
def test_the_error_has_the_variable_the_value_and_what_is_accepted(
    parse: object, value: str, accepted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLOUR", value)
    with pytest.raises(EnvironmentVariableError) as raised:
        Variable("COLOUR", parse).read()  # type: ignore[arg-type]
    assert str(raised.value) == f"COLOUR must be {accepted} (got {value!r})"


@given(st.lists(st.text(min_size=1), unique=True))
def test_every_list_of_distinct_texts_is_read_as_it_was_written(names: list[str]) -> None:
    assert list_of("names")(json.dumps(names)) == tuple(names)


@given(st.dictionaries(st.text(min_size=1), st.text(min_size=1)))
def test_every_map_of_texts_is_read_as_it_was_written(names: dict[str, str]) -> None:
    assert map_of("names")(json.dumps(names)) == names


def test_an_empty_default_makes_a_variable_optional(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLOUR", raising=False)
    assert Variable("COLOUR", text, default="").read() == ""
