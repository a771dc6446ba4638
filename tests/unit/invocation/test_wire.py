"""The request as Bedrock's JSON."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from llmmanager.bedrock.invocation.wire import encode


@pytest.mark.parametrize("value", [b"\x00\xff", bytearray(b"\x00\xff"), memoryview(b"\x00\xff")])
def test_bytes_of_any_kind_are_base64(value: Any) -> None:
    assert json.loads(encode({"bytes": value})) == {"bytes": "AP8="}


def test_decimals_are_the_numbers_that_they_stand_for() -> None:
    encoded = encode({"maxTokens": Decimal("100"), "temperature": Decimal("0.25")})
    assert encoded == b'{"maxTokens":100,"temperature":0.25}'


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_json_has_not_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        encode({"temperature": value})


def test_what_json_cannot_hold_is_refused_by_the_name_of_its_type() -> None:
    with pytest.raises(TypeError, match="set"):
        encode({"messages": {1, 2}})


def test_text_of_any_language_arrives() -> None:
    assert json.loads(encode({"text": "Zürich 東京 \u2028"})) == {"text": "Zürich 東京 \u2028"}
