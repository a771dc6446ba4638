"""Rules for answers in `responseValidation`."""

from __future__ import annotations

import json

import pytest

from lambdas.shared.response_rules import read_rules
from llmmanager import BedrockResponse
from llmmanager.json_format.codec import InvalidRequest

SCHEMA = {
    "type": "object",
    "required": ["name", "tags"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 5, "pattern": "^[A-Z]"},
        "tags": {"type": "array", "items": {"enum": ["a", 1]}, "maxItems": 2},
        "age": {"type": ["integer", "null"], "minimum": 0, "exclusiveMaximum": 150},
        "sort": {"const": True},
        "mark": {"oneOf": [{"type": "number"}, {"type": "integer"}]},
        "any": {"anyOf": [{"type": "string"}, {"type": "boolean"}]},
        "all": {"allOf": [{"minimum": 1}, {"maximum": 2}]},
    },
}
VALID = {"name": "Ada", "tags": ["a", 1], "age": 36, "sort": True, "mark": 1.5, "any": False, "all": 2}


def violation(rules, text):
    """Return the rule that an answer breaks, or None."""
    content = {"output": {"message": {"role": "assistant", "content": [{"text": text}]}}}
    config = read_rules(rules)
    result = config.response_validation_function(BedrockResponse(success=True, response_data=content))
    assert result.success == (result.error_message is None)
    return result.error_message


@pytest.mark.parametrize(
    ("rules", "valid", "invalid"),
    [
        ({"mustContain": ["yes", "no"]}, "yes and no", "yes"),
        ({"mustNotContain": ["sorry"]}, "yes", "so sorry"),
        ({"pattern": r"^\d+$"}, "12", "12a"),
        ({"minLength": 3}, "abc", " ab "),
        ({"jsonSchema": {"type": "object"}}, "{}", "[]"),
        ({"jsonSchema": True}, "null", "no json"),
    ],
)
def test_each_rule_distinguishes_valid_and_invalid_answers(rules, valid, invalid):
    assert violation(rules, valid) is None
    assert violation(rules, invalid).startswith(f"{next(iter(rules))}")


def test_an_answer_that_is_valid_for_the_schema_is_accepted():
    assert violation({"jsonSchema": SCHEMA}, json.dumps(VALID)) is None


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"name": ""}, "answer.name"),
        ({"name": "Adelaide"}, "answer.name"),
        ({"name": "ada"}, "answer.name"),
        ({"name": None}, "answer.name"),
        ({"tags": ["b"]}, "answer.tags[0]"),
        ({"tags": ["a", True]}, "answer.tags[1]"),
        ({"tags": ["a", "a", "a"]}, "answer.tags"),
        ({"age": -1}, "answer.age"),
        ({"age": 150}, "answer.age"),
        ({"age": True}, "answer.age"),
        ({"age": 1.5}, "answer.age"),
        ({"sort": 1}, "answer.sort"),
        ({"mark": 1}, "answer.mark"),
        ({"any": 1}, "answer.any"),
        ({"all": 3}, "answer.all"),
        ({"more": 1}, "answer.more"),
    ],
)
def test_a_schema_violation_is_reported_with_its_path(change, path):
    assert violation({"jsonSchema": SCHEMA}, json.dumps(VALID | change)).startswith(f"jsonSchema: {path}:")


def test_a_missing_member_is_named():
    assert violation({"jsonSchema": SCHEMA}, '{"name": "Ada"}') == "jsonSchema: answer.tags: is missing"


@pytest.mark.parametrize(
    ("rules", "field"),
    [
        ([], "responseValidation: "),
        ({}, "responseValidation: "),
        ({"retries": 2}, "responseValidation: "),
        ({"minLength": 1, "retries": 6}, "responseValidation.retries: "),
        ({"minLength": 1, "retries": True}, "responseValidation.retries: "),
        ({"minLength": -1}, "responseValidation.minLength: "),
        ({"maxLength": 1}, "responseValidation.maxLength: unknown field"),
        ({"mustContain": []}, "responseValidation.mustContain: "),
        ({"mustContain": "yes"}, "responseValidation.mustContain: "),
        ({"mustNotContain": [""]}, "responseValidation.mustNotContain: "),
        ({"pattern": 1}, "responseValidation.pattern: "),
        ({"pattern": "(?=a)"}, "responseValidation.pattern: "),
        ({"jsonSchema": []}, "responseValidation.jsonSchema: "),
        ({"jsonSchema": {"$ref": "#/a"}}, "responseValidation.jsonSchema.$ref: must be"),
        ({"jsonSchema": {"type": "text"}}, "responseValidation.jsonSchema.type: "),
        ({"jsonSchema": {"type": []}}, "responseValidation.jsonSchema.type: "),
        ({"jsonSchema": {"enum": []}}, "responseValidation.jsonSchema.enum: "),
        ({"jsonSchema": {"required": "a"}}, "responseValidation.jsonSchema.required: "),
        ({"jsonSchema": {"minItems": -1}}, "responseValidation.jsonSchema.minItems: "),
        ({"jsonSchema": {"minimum": "1"}}, "responseValidation.jsonSchema.minimum: "),
        ({"jsonSchema": {"properties": []}}, "responseValidation.jsonSchema.properties: "),
        ({"jsonSchema": {"properties": {"a": 1}}}, "responseValidation.jsonSchema.properties.a: "),
        ({"jsonSchema": {"items": {"pattern": "("}}}, "responseValidation.jsonSchema.items.pattern: "),
        ({"jsonSchema": {"items": {"pattern": 1}}}, "responseValidation.jsonSchema.items.pattern: "),
        ({"jsonSchema": {"anyOf": [{"pattern": "a"}] * 101}}, "responseValidation.jsonSchema: "),
        ({"jsonSchema": {"anyOf": []}}, "responseValidation.jsonSchema.anyOf: "),
        ({"jsonSchema": {"anyOf": [1]}}, "responseValidation.jsonSchema.anyOf[0]: "),
    ],
)
def test_invalid_rules_are_rejected_by_field(rules, field):
    with pytest.raises(InvalidRequest) as rejected:
        read_rules(rules)

    assert rejected.value.reasons[0].startswith(field)


def test_without_rules_there_is_no_validation():
    assert read_rules(None) is None


def test_the_rules_have_the_number_of_retries():
    assert read_rules({"minLength": 1, "retries": 0}).response_validation_retries == 0
    assert read_rules({"minLength": 1}).response_validation_retries == 3
