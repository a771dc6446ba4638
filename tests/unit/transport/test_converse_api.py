"""Encoding of requests as JSON."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from llmmanager.bedrock.exceptions.llm_manager_exceptions import RequestValidationError
from llmmanager.bedrock.transport.converse_api import encode


@pytest.mark.parametrize("value", [b"\x00\xff", bytearray(b"\x00\xff"), memoryview(b"\x00\xff")])
def test_bytes_of_any_kind_are_base64(value: Any) -> None:
    assert json.loads(encode({"bytes": value})) == {"bytes": "AP8="}


def test_decimals_become_numbers() -> None:
    encoded = encode({"maxTokens": Decimal("100"), "temperature": Decimal("0.25")})
    assert encoded == b'{"maxTokens":100,"temperature":0.25}'


def endless() -> dict[str, Any]:
    value: dict[str, Any] = {}
    value["again"] = value
    return value


def abyss() -> list[Any]:
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), {1, 2}, {(1, 2): 3}, endless(), abyss(), object()]
)
def test_a_value_that_is_not_json_is_rejected_by_field(value: Any) -> None:
    with pytest.raises(RequestValidationError) as raised:
        encode({"messages": [], "quantumConfig": {"x": value}, "other": 1})
    assert len(raised.value.validation_errors) == 1
    assert raised.value.validation_errors[0].startswith("quantumConfig: must be plain data (")


def test_text_of_any_language_is_sent() -> None:
    assert json.loads(encode({"text": "Zürich 東京 \u2028"})) == {"text": "Zürich 東京 \u2028"}
