"""For any schema, what FakeBedrock answers is read: with the schema as a tool, an instruction and native."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from enum import Enum
from typing import Any, Literal

from hypothesis import given
from hypothesis import strategies as st

from llmmanager.bedrock.structured.output_schema import output_schema
from llmmanager.bedrock.structured.schema_edits import native_schema, tool_schema
from llmmanager.testing.schema_sample import SchemaSampler

NAMES = st.sampled_from(["name", "minimum", "type", "items", "$ref", "a b", "é", "pattern"])
COUNT = st.integers(0, 3)


def between(low: str, high: str) -> st.SearchStrategy[dict[str, int]]:
    """Bounds of which any or none is given."""
    return st.tuples(COUNT, COUNT).flatmap(
        lambda ends: st.fixed_dictionaries({}, optional={low: st.just(min(ends)), high: st.just(max(ends))})
    )


PLAIN = (
    between("minLength", "maxLength").map(lambda bounds: {"type": "string", **bounds})
    | between("minimum", "maximum").map(lambda bounds: {"type": "integer", **bounds})
    | between("minimum", "maximum").map(lambda bounds: {"type": "number", **bounds})
    | st.sampled_from(
        [
            {"type": "boolean"},
            {"type": "null"},
            {"type": ["string", "null"]},
            {"enum": ["a", 1, None]},
            {"const": True},
            {"type": "string", "format": "date"},
            {"$ref": "#/$defs/shared"},
        ]
    )
)


def objects(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Objects with some of their properties required."""
    return st.dictionaries(NAMES, inner, max_size=3).flatmap(
        lambda properties: st.fixed_dictionaries(
            {
                "type": st.just("object"),
                "properties": st.just(properties),
                "required": st.lists(st.sampled_from(sorted(properties) or ["name"]), unique=True)
                if properties
                else st.just([]),
            },
            optional={"additionalProperties": st.just(False)},
        )
    )


def composed(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    arrays = st.tuples(inner, between("minItems", "maxItems")).map(
        lambda parts: {"type": "array", "items": parts[0], **parts[1]}
    )
    unions = st.lists(inner, min_size=1, max_size=2).map(lambda branches: {"anyOf": branches})
    return arrays | unions | objects(inner)


SCHEMAS = st.tuples(
    objects(st.recursive(PLAIN, composed, max_leaves=6)), objects(PLAIN.filter(lambda s: "$ref" not in s))
).map(lambda parts: {**parts[0], "$defs": {"shared": parts[1]}})


def without_limits(schema: Any) -> Any:
    """The schema without the keywords that are left to the check of the answer."""
    if isinstance(schema, list):
        return [without_limits(item) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    named = ("properties", "$defs")
    return {
        key: {name: without_limits(item) for name, item in value.items()}
        if key in named
        else without_limits(value)
        for key, value in schema.items()
        if not key.startswith(("min", "max"))
    }


@given(SCHEMAS)
def test_an_answer_to_any_json_schema_is_read(schema: dict[str, Any]) -> None:
    for sent in (schema, tool_schema(schema)):
        value = SchemaSampler(sent).sample()
        assert output_schema(schema).read(value) == value
    native = native_schema(schema)
    assert native is not None
    value = SchemaSampler(native).sample()
    assert output_schema(without_limits(schema)).read(value) == value


class Colour(Enum):
    RED = "red"
    ONE = 1


KINDS = st.recursive(
    st.sampled_from([str, int, float, bool, None, Colour, Literal["a", 1], Any]),
    lambda inner: (
        inner.map(lambda kind: list[kind])
        | inner.map(lambda kind: dict[str, kind])
        | inner.map(lambda kind: tuple[kind, ...])
        | st.tuples(inner, inner).map(lambda kinds: kinds[0] | kinds[1] if None not in kinds else kinds[0])
        | st.dictionaries(st.sampled_from("abc"), inner, min_size=1).map(
            lambda fields: dataclasses.make_dataclass("Inner", fields.items())
        )
    ),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(["x", "y", "z"]), KINDS, min_size=1))
def test_an_answer_to_any_dataclass_becomes_an_instance(fields: dict[str, Any]) -> None:
    target = dataclasses.make_dataclass("Target", fields.items())
    output = output_schema(target)
    for sent in (output.schema, tool_schema(output.schema), native_schema(output.schema)):
        if sent is not None:
            assert isinstance(output.read(SchemaSampler(sent).sample()), target)
