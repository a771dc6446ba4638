"""The schemas of batch options and rules for answers accept the values that the functions accept."""

from __future__ import annotations

from typing import Any

import jsonschema_rs
import pytest

from lambdas.batch.options import MEMBERS, read_options
from lambdas.shared.response_rules import read_rules
from llmmanager.json_format.codec import InvalidRequest
from llmmanager.json_format.response_rules import MEMBERS as RULES
from local.generate_reference.openapi import openapi_document

DOCUMENT = openapi_document()
VALUES: list[Any] = [
    *(-1, 0, 0.5, 1, 1.5, 5, 6, 9, 10, 1_000_000, 1_000_001, 31_536_000, 31_536_001),
    *("", "x", "wait", "failover", "continue", "stopOnFirstFailure", "stopOnThreshold", "model_first"),
    *("region_first", "input", "output", "x" * 500, "x" * 501, True, False),
    *({"stopOnThreshold": 0}, {"stopOnThreshold": 1}, {"stopOnThreshold": 1.1}, {"stopOnThreshold": "x"}),
    *({"stopOnThreshold": 0.5, "other": 1}, {}, {"pattern": "x"}, {"pattern": "x", "retries": 5}),
    *({"pattern": "x", "retries": 6}, {"pattern": ""}, {"unknown": 1}, {"mustContain": ["x"]}),
    *([], [""], ["x"], ["x"] * 100, ["x"] * 101, [1]),
]


def allowed(name: str, member: str, value: Any) -> bool:
    """Whether the document allows an object of the schema `name` with this member."""
    schema = {"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]}
    return jsonschema_rs.Draft202012Validator(schema).is_valid({member: value})


def accepted(read: Any, value: Any) -> bool:
    try:
        read(value)
    except (ValueError, InvalidRequest):
        return False
    return True


@pytest.mark.parametrize("member", MEMBERS)
def test_the_document_allows_the_values_of_a_batch_option(member: str) -> None:
    for value in VALUES:
        # A schema does not say that at least one rule is required, and which JSON schemas are supported.
        is_rule_or_schema = member == "outputSchema" or (member == "responseValidation" and value == {})
        if not (is_rule_or_schema and isinstance(value, dict)):
            taken = accepted(lambda value: read_options({member: value}, run=""), value)
            assert allowed("BatchRequest", member, value) == taken, value


@pytest.mark.parametrize("member", RULES)
def test_the_document_allows_the_values_of_a_rule(member: str) -> None:
    for value in VALUES:
        # A schema does not say which patterns and JSON schemas are supported.
        if not (member == "jsonSchema" and isinstance(value, dict)):
            taken = accepted(lambda value: read_rules({"minLength": 1, member: value}), value)
            assert allowed("ResponseValidation", member, value) == taken, value
