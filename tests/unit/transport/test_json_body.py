"""The JSON of a request equals that of the standard encoder, with bytes as base64."""

from __future__ import annotations

import base64
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmmanager.bedrock.transport.json_body import json_body

plain = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
)
values = st.recursive(
    plain | st.binary(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=20,
)


def with_base64(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, list):
        return [with_base64(item) for item in value]
    if isinstance(value, dict):
        return {key: with_base64(item) for key, item in value.items()}
    return value


@given(values)
def test_bytes_anywhere_become_base64_and_the_rest_is_unchanged(value: Any) -> None:
    assert json_body(value) == json.dumps(with_base64(value), separators=(",", ":")).encode()


@pytest.mark.parametrize("buffer", [b"ab", bytearray(b"ab"), memoryview(b"ab")])
def test_every_kind_of_buffer_is_encoded(buffer: object) -> None:
    assert json_body([buffer, buffer]) == b'["YWI=","YWI="]'


def test_decimals_are_numbers() -> None:
    assert json_body([Decimal("1"), Decimal("0.5")]) == b"[1,0.5]"


@pytest.mark.parametrize("value", [object(), float("nan"), {1: {2, 3}}])
def test_a_value_that_is_not_json_raises(value: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        json_body(value)
