"""The parts of the schema checker that responseValidation's tests do not reach: references and limits."""

from __future__ import annotations

from typing import Any

import pytest

from llmmanager.bedrock.structured.json_schema import schema_problems, violations

TREE = {
    "$ref": "#/$defs/node",
    "$defs": {
        "node": {
            "type": "object",
            "properties": {
                "value": {"type": "integer"},
                "children": {"type": "array", "items": {"$ref": "#/$defs/node"}},
            },
            "required": ["value"],
        }
    },
}


def test_a_reference_is_followed_to_any_depth() -> None:
    assert schema_problems(TREE, "schema") == []
    valid = {"value": 1, "children": [{"value": 2, "children": [{"value": 3}]}]}
    assert list(violations(valid, TREE)) == []
    invalid = {"value": 1, "children": [{"value": 2, "children": [{"value": "3"}]}]}
    assert list(violations(invalid, TREE)) == ["answer.children[0].children[0].value: must be integer"]


@pytest.mark.parametrize(
    "reference", ["#/properties/a", "#/$defs/missing", "https://example.com/schema", "#/examples/0", 1]
)
def test_a_reference_must_lead_to_a_definition(reference: Any) -> None:
    schema = {"properties": {"a": {"$ref": reference}}, "$defs": {}, "examples": [{}]}
    assert schema_problems(schema, "schema")[0].startswith('schema.properties.a.$ref: must be "#"')


def chain(length: int) -> dict[str, Any]:
    definitions: dict[str, Any] = {f"d{n}": {"$ref": f"#/$defs/d{n + 1}"} for n in range(length)}
    return {"$ref": "#/$defs/d0", "$defs": {**definitions, f"d{length}": {"type": "object"}}}


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"properties": {"a": {"$ref": "#/$defs/b"}}, "$defs": {"b": {"anyOf": [{"$ref": "#/$defs/b"}]}}},
        chain(5000),
    ],
    ids=["itself", "in a combination", "too many"],
)
def test_a_reference_that_leads_back_to_itself_is_rejected(schema: dict[str, Any]) -> None:
    assert schema_problems(schema, "schema") == [
        "schema: has a $ref that leads back to itself without a property or item between"
    ]


def test_a_short_chain_of_references_is_accepted() -> None:
    assert schema_problems(chain(20), "schema") == []
    assert list(violations([], chain(20))) == ["answer: must be object"]


def test_an_answer_that_needs_too_many_steps_is_invalid() -> None:
    twice = {"items": {"$ref": "#/$defs/a"}}
    schema = {"$ref": "#/$defs/a", "$defs": {"a": {"allOf": [twice, twice]}}}
    value: list[Any] = []
    for _ in range(40):
        value = [value]
    assert schema_problems(schema, "schema") == []
    assert "too many parts" in next(violations(value, schema))


@pytest.mark.parametrize("number", [float("inf"), float("nan")])
@pytest.mark.parametrize("kind", ["integer", "number"])
def test_a_number_must_be_finite(kind: str, number: float) -> None:
    assert list(violations(number, {"type": kind})) == [f"answer: must be {kind}"]


@pytest.mark.parametrize("kind", ["integer", "number"])
def test_a_number_can_be_larger_than_a_float(kind: str) -> None:
    assert list(violations(10**400, {"type": kind, "minimum": 0})) == []


def test_an_invalid_pattern_is_a_problem() -> None:
    assert "pattern: is invalid" in schema_problems({"pattern": "("}, "schema")[0]
