"""A sampled value satisfies its schema."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmmanager.testing.schema_sample import SchemaSampler

KINDS = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
}


def check(schema: Any, value: Any, root: Any) -> None:
    """Assert that a value satisfies the subset of JSON Schema that the sampler supports."""
    if schema is True or not schema:
        return None
    if "$ref" in schema:
        target = root
        for step in schema["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        return check(target, value, root)
    for part in schema.get("allOf", []):
        check(part, value, root)
    if "anyOf" in schema:
        assert any(satisfies(part, value, root) for part in schema["anyOf"])
    if "const" in schema:
        assert value == schema["const"]
    if "enum" in schema:
        assert value in schema["enum"]
    kinds = schema.get("type", [])
    if kinds:
        kinds = [kinds] if isinstance(kinds, str) else kinds
        assert any(
            isinstance(value, KINDS[kind]) and (kind == "boolean" or not isinstance(value, bool))
            for kind in kinds
        )
    check_limits(schema, value)
    if isinstance(value, dict):
        assert set(schema.get("required", [])) <= set(value)
        for name, item in value.items():
            check(
                schema.get("properties", {}).get(name, schema.get("additionalProperties", True)), item, root
            )
    if isinstance(value, list):
        leading = schema.get("prefixItems", [])
        for index, item in enumerate(value):
            check(leading[index] if index < len(leading) else schema.get("items", True), item, root)
    return None


def check_limits(schema: Any, value: Any) -> None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        assert schema.get("minimum", -math.inf) <= value <= schema.get("maximum", math.inf)
        assert schema.get("exclusiveMinimum", -math.inf) < value < schema.get("exclusiveMaximum", math.inf)
        assert math.isclose(math.remainder(value, schema.get("multipleOf", value or 1)), 0, abs_tol=1e-6)
    if isinstance(value, str):
        assert schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", math.inf)
        assert re.search(schema.get("pattern", ""), value)
    if isinstance(value, list):
        assert schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", math.inf)
        if schema.get("uniqueItems"):
            assert all(value.count(item) == 1 for item in value)
    if isinstance(value, dict):
        assert len(value) >= schema.get("minProperties", 0)


def satisfies(schema: Any, value: Any, root: Any) -> bool:
    try:
        check(schema, value, root)
    except AssertionError:
        return False
    return True


def numbers(kind: str) -> st.SearchStrategy[Any]:
    return st.builds(
        lambda low, width: {"type": kind, "minimum": low, "maximum": low + width},
        st.integers(-1000, 1000),
        st.integers(0, 50),
    )


LEAVES = st.one_of(
    st.just({"type": "boolean"}),
    st.just({"type": "null"}),
    st.just({"type": ["null", "string"]}),
    st.just(True),
    st.builds(lambda value: {"const": value}, st.one_of(st.integers(), st.text(max_size=5), st.none())),
    st.builds(lambda values: {"enum": values}, st.lists(st.text(max_size=5), min_size=1, max_size=3)),
    numbers("integer"),
    numbers("number"),
    st.builds(
        lambda low, width: {"type": "string", "minLength": low, "maxLength": low + width},
        st.integers(0, 20),
        st.integers(0, 20),
    ),
)


def nested(schemas: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    arrays = st.builds(
        lambda items, low, width: {"type": "array", "items": items, "minItems": low, "maxItems": low + width},
        schemas,
        st.integers(0, 3),
        st.integers(0, 2),
    )
    objects = st.builds(
        lambda properties, count: {
            "type": "object",
            "properties": properties,
            "required": list(properties)[:count],
        },
        st.dictionaries(st.text("abcdef", min_size=1, max_size=3), schemas, max_size=3),
        st.integers(0, 3),
    )
    choices = st.builds(lambda options: {"anyOf": options}, st.lists(schemas, min_size=1, max_size=2))
    return st.one_of(arrays, objects, choices)


@given(st.recursive(LEAVES, nested, max_leaves=8), st.text(max_size=40))
def test_a_sample_satisfies_its_schema(schema: Any, prompt: str) -> None:
    check(schema, SchemaSampler(schema, prompt).sample(), schema)


@pytest.mark.parametrize(
    "schema",
    [
        {},
        True,
        {"properties": {"a": {"type": "string"}}, "required": ["a", "b"]},
        {"type": "object", "required": ["a"], "additionalProperties": {"type": "integer"}},
        {"type": "object", "minProperties": 2, "additionalProperties": {"type": "boolean"}},
        {"type": "array", "prefixItems": [{"const": 1}, {"const": "two"}], "items": False, "minItems": 2},
        {"type": "array", "items": {"type": "integer"}, "minItems": 4, "uniqueItems": True},
        {"type": "array", "items": {"type": "string"}, "minItems": 3, "uniqueItems": True},
        {"type": "array", "items": {"enum": ["x", "y", "z"]}, "minItems": 3, "uniqueItems": True},
        {"type": "array", "items": {"type": "boolean"}, "minItems": 2, "uniqueItems": True},
        {"type": "array", "maxItems": 0},
        {"type": "integer", "exclusiveMinimum": 4, "exclusiveMaximum": 6},
        {"type": "number", "exclusiveMinimum": 0, "maximum": 0.5},
        {"type": "number", "minimum": 0.1, "maximum": 0.2},
        {"type": "integer", "minimum": 11, "multipleOf": 5},
        {"type": "number", "minimum": 0.3, "maximum": 0.9, "multipleOf": 0.25},
        {"type": "integer", "maximum": -3},
        {"minimum": 3},
        {"items": {"type": "string"}},
        {"type": "string", "pattern": "^[A-Z]{3}-\\d{4}$"},
        {"type": "string", "pattern": "^(yes|no)$", "enum": ["yes"]},
        {"type": "string", "pattern": "^\\d{4}-\\d{2}-\\d{2}$"},
        {"type": "string", "pattern": "^[a-z]+@[a-z]+\\.com$"},
        {"type": "string", "format": "uuid"},
        {"allOf": [{"type": "object", "required": ["a"]}, {"properties": {"a": {"const": 1}}}]},
        {"anyOf": [{"type": "null"}, {"type": "integer", "minimum": 5}]},
        {
            "$defs": {
                "node": {
                    "type": "object",
                    "properties": {
                        "value": {"type": "integer"},
                        "children": {"type": "array", "items": {"$ref": "#/$defs/node"}},
                    },
                    "required": ["value", "children"],
                }
            },
            "$ref": "#/$defs/node",
        },
    ],
)
def test_any_supported_schema_is_satisfied(schema: Any) -> None:
    check(schema, SchemaSampler(schema, "Send 3 bees to Maya").sample(), schema)


@pytest.mark.parametrize(
    "schema",
    [
        False,
        7,
        {"type": "strange"},
        {"enum": []},
        {"$ref": "#/none"},
        {"$defs": {"a": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"},
        {"type": "string", "pattern": "^(?!.)(?=.)$"},
    ],
)
def test_an_unsatisfiable_schema_is_a_value_error(schema: Any) -> None:
    with pytest.raises(ValueError, match=r"schema|satisfies"):
        SchemaSampler(schema).sample()


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": "", "required": ["city"]},
        {"type": "object", "properties": 1},
        {"type": "object", "properties": [], "required": ["city"]},
        {"type": "object", "properties": {"city": {"type": {}}}},
        {"type": "object", "required": 1},
        {"type": "array", "minItems": "1"},
        {"type": "string", "pattern": "("},
        {"type": "string", "format": []},
        {"type": "number", "multipleOf": 0},
        {"allOf": 1},
        {"anyOf": {"a": 1}},
        {"$ref": 1},
        {"enum": 1},
    ],
    ids=str,
)
def test_a_malformed_schema_is_a_value_error(schema: Any) -> None:
    with pytest.raises(ValueError, match="malformed"):
        SchemaSampler(schema).sample()


def test_names_and_numbers_of_the_prompt_are_used() -> None:
    schema = {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer", "maximum": 10}},
    }
    assert SchemaSampler(schema, "Plan 400 steps over 4 days in New York").sample() == {
        "city": "New York",
        "days": 4,
    }
