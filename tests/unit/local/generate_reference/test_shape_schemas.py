"""The JSON schema of a shape accepts what the shape accepts."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
import schemathesis
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from llmmanager.bedrock.models.json_codec import decode_bytes
from llmmanager.bedrock.validation import converse_schema
from llmmanager.bedrock.validation.request_problems import Problems
from llmmanager.bedrock.validation.schema_types import (
    Blob,
    Forbidden,
    JsonObject,
    ListOf,
    MapOf,
    Number,
    Shape,
    Struct,
    Text,
    Union,
)
from local.generate_reference.shape_schemas import ShapeSchemas

# The whole requests consist of these, and take a minute each.
SHAPES = {
    name: shape
    for name, shape in (vars(converse_schema) | converse_schema.CONVERSE_REQUEST.members).items()
    if isinstance(shape, Struct | Union | MapOf)
    if not name.endswith("_REQUEST")
}
ODD_VALUES = [None, "", "x", "two words", -1, 0, 1, 0.5, 3_000_000_000, True, [], [1], {}, {"text": "x"}]


def accepted(shape: Shape, value: Any) -> bool:
    """Whether a shape accepts a JSON value, whose bytes are base64."""
    try:
        decoded = decode_bytes({"value": _with_integers(value)})["value"]
    except ValueError:
        # JSON Schema does not check base64.
        assume(False)
    problems = Problems()
    shape.check(decoded, (), problems)
    return not problems.found


def _with_integers(value: Any) -> Any:
    """Return a JSON value with 1 for 1.0, which are the same number in JSON Schema, but not in Python."""
    if isinstance(value, dict):
        return {key: _with_integers(member) for key, member in value.items()}
    if isinstance(value, list):
        return [_with_integers(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def values(shape: Shape) -> tuple[st.SearchStrategy[Any], jsonschema_rs.Draft202012Validator]:
    """Return a strategy for the values that the schema of a shape allows, and its validator."""
    schemas = ShapeSchemas()
    schema = schemas.schema(shape)
    components = {"schemas": schemas.components}
    operation = {
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
        "responses": {"200": {"description": "ok"}},
    }
    document = {
        "openapi": "3.1.0",
        "info": {"title": "t", "version": "1"},
        "paths": {"/x": {"post": operation}},
        "components": components,
    }
    strategy = schemathesis.openapi.from_dict(document)["/x"]["POST"].as_strategy()
    return strategy.map(lambda case: case.body), jsonschema_rs.Draft202012Validator(
        {**schema, "components": components}
    )


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of a value and of all values in it."""
    yield path
    members = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, member in members:
        yield from places(member, (*path, key))


def replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    changed = copy.copy(value)
    changed[path[0]] = replaced(value[path[0]], path[1:], new)
    return changed


@pytest.mark.parametrize("name", SHAPES)
def test_a_schema_accepts_a_value_if_and_only_if_its_shape_does(name):
    strategy, validator = values(SHAPES[name])

    @given(strategy, st.data(), st.sampled_from(ODD_VALUES))
    @settings(max_examples=20, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    def check(value, data, odd):
        assert validator.is_valid(value)
        assert accepted(SHAPES[name], value)
        changed = replaced(value, data.draw(st.sampled_from(list(places(value)))), odd)
        assert validator.is_valid(changed) == accepted(SHAPES[name], changed)

    check()


@pytest.mark.parametrize(
    ("shape", "schema"),
    [
        (
            Text(1, 5, "a|b", "a or b"),
            {"type": "string", "minLength": 1, "maxLength": 5, "pattern": "^(?:a|b)$"},
        ),
        (Number(0, 1), {"type": "number", "minimum": 0, "maximum": 1}),
        (Blob(1), {"type": "string", "contentEncoding": "base64", "format": "byte", "minLength": 4}),
        (Blob(0, 4), {"type": "string", "contentEncoding": "base64", "format": "byte", "maxLength": 8}),
        (Forbidden("it is old"), {"not": {}, "description": "Must be omitted: it is old."}),
        (
            ListOf(JsonObject(), "objects", 1, 2),
            {"type": "array", "items": {"type": "object"}, "minItems": 1, "maxItems": 2},
        ),
        (
            MapOf(Text(1), Text(), 1),
            {
                "type": "object",
                "propertyNames": {"type": "string", "minLength": 1},
                "additionalProperties": {"type": "string"},
                "minProperties": 1,
            },
        ),
        (converse_schema.IMAGE, {"$ref": "#/components/schemas/Image"}),
    ],
)
def test_a_shape_has_this_schema(shape, schema):
    assert ShapeSchemas().schema(shape) == schema


def test_a_shape_without_a_translation_is_an_error():
    class NewShape:
        def check(self, value, path, problems): ...

    with pytest.raises(TypeError, match="NewShape has no JSON schema: add it to"):
        ShapeSchemas().schema(NewShape())
