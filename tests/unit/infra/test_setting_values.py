"""A value from the command line is read like the same value in cdk.json."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.setting_values import (
    FlagKind,
    IntegerChoiceKind,
    IntegerKind,
    NamesKind,
    SettingsError,
    ShareKind,
    ValueKind,
)

ANY_VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=4,
)
NAME = st.text("abc-.1", min_size=1).filter(lambda name: name == name.strip())
KINDS = (
    IntegerKind(0, 100),
    IntegerChoiceKind("a step", (1, 3, 5), "days"),
    ShareKind(0.9),
    FlagKind(),
    NamesKind("letters", bool, "such as a"),
)


@given(st.integers(-1_000, 1_000), st.integers(-1_000, 1_000), st.integers(-1_000, 1_000))
def test_a_whole_number_is_accepted_in_its_range_only(low: int, high: int, number: int) -> None:
    kind = IntegerKind(low, high)
    for value in (number, f" {number} "):
        if low <= number <= high:
            assert kind.read("key", value) == number
        else:
            with pytest.raises(SettingsError, match=f"a whole number from {low} to {high}"):
                kind.read("key", value)


@given(st.floats(0, 0.9))
def test_a_share_is_accepted_as_a_number_and_as_text(share: float) -> None:
    assert ShareKind(0.9).read("key", share) == ShareKind(0.9).read("key", repr(share)) == share


@given(st.lists(NAME, unique=True))
def test_a_list_is_accepted_as_a_list_as_json_and_separated_by_commas(names: list[str]) -> None:
    kind = NamesKind("letters", bool, "such as a")
    expected = tuple(names)
    assert kind.read("key", names) == expected
    assert kind.read("key", json.dumps(names)) == expected
    assert kind.read("key", ", ".join(names)) == expected


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: type(kind).__name__)
@given(value=ANY_VALUE)
def test_any_value_is_accepted_or_rejected_with_key_and_value(kind: ValueKind[object], value: object) -> None:
    rejected = None
    try:
        kind.read("some_key", value)
    except SettingsError as error:
        rejected = error
    if rejected is not None:
        assert rejected.key == "some_key"
        assert str(rejected).startswith('Setting "some_key" is ')
        assert ": expected " in str(rejected)
