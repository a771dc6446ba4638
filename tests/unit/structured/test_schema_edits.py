"""Schemas as native output and tools accept them."""

from __future__ import annotations

from typing import Any

import pytest

from llmmanager.bedrock.structured.schema_edits import native_schema, tool_schema

CITY = {
    "type": "object",
    "title": "City",
    "properties": {
        "minimum": {"type": "integer", "minimum": 0, "description": "The lowest."},
        "mayor": {"$ref": "#/$defs/Person"},
        "tags": {"type": "array", "items": {"oneOf": [{"type": "string", "pattern": "a"}, {"type": "null"}]}},
    },
    "required": ["minimum"],
    "$defs": {"Person": {"type": "object", "properties": {"name": {"type": "string", "minLength": 1}}}},
}
TREE = {
    "type": "object",
    "properties": {"inner": {"$ref": "#/$defs/Tree"}},
    "$defs": {"Tree": {"type": "object", "properties": {"inner": {"$ref": "#/$defs/Tree"}}}},
}


def doubled(levels: int) -> dict[str, Any]:
    definitions: dict[str, Any] = {
        f"d{n}": {"type": "object", "properties": {name: {"$ref": f"#/$defs/d{n + 1}"} for name in "ab"}}
        for n in range(levels)
    }
    last = {"type": "object", "properties": {"x": {"type": "null"}}}
    return {
        "type": "object",
        "properties": {"a": {"$ref": "#/$defs/d0"}},
        "$defs": definitions | {f"d{levels}": last},
    }


def test_native_output_gets_closed_objects_and_limits_as_descriptions() -> None:
    assert native_schema(CITY) == {
        "type": "object",
        "title": "City",
        "properties": {
            "minimum": {"type": "integer", "description": "The lowest. (minimum: 0)"},
            "mayor": {"$ref": "#/$defs/Person"},
            "tags": {
                "type": "array",
                "items": {"anyOf": [{"type": "string", "description": '(pattern: "a")'}, {"type": "null"}]},
            },
        },
        "required": ["minimum"],
        "$defs": {
            "Person": {
                "type": "object",
                "properties": {"name": {"type": "string", "description": "(minLength: 1)"}},
                "additionalProperties": False,
            }
        },
        "additionalProperties": False,
    }


@pytest.mark.parametrize(
    "inner",
    [
        {"type": "object", "additionalProperties": {"type": "string"}},
        {"type": "object", "properties": {}, "additionalProperties": True},
        {"type": "object"},
        {"description": "anything"},
    ],
)
def test_a_value_with_any_properties_cannot_be_native(inner: dict[str, Any]) -> None:
    assert native_schema({"type": "object", "properties": {"a": inner}}) is None


@pytest.mark.parametrize("schema", [TREE, doubled(20)], ids=["recursive", "too large"])
def test_a_schema_that_cannot_be_inlined_is_a_tool_with_definitions(schema: dict[str, Any]) -> None:
    assert native_schema(schema) is None
    assert tool_schema(schema) == schema


def test_a_tool_has_only_the_members_that_nova_accepts_at_the_top() -> None:
    schema = tool_schema(CITY)
    assert list(schema) == ["type", "properties", "required"]
    assert schema["properties"]["mayor"] == CITY["$defs"]["Person"]  # type: ignore[index]
    assert schema["properties"]["minimum"] == CITY["properties"]["minimum"]  # type: ignore[index]
