"""Answers in JSON for a schema."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lambdas.streaming_api.structured_output import AnswerSchema, answer_tool, output_config

HAIKU_4_5 = "anthropic.claude-haiku-4-5-20251001-v1:0"
ITEM = {"type": "object", "properties": {"b": {"type": "integer", "minimum": 1}}}
SCHEMA = {"type": "object", "properties": {"a": {"type": "array", "items": ITEM}}}


def config(schema: Any, *models: str) -> dict[str, Any] | None:
    return output_config(AnswerSchema("weather", "", schema, "p"), models)


def sent(schema: Any) -> Any:
    found = config(schema, HAIKU_4_5)
    assert found is not None
    return json.loads(found["textFormat"]["structure"]["jsonSchema"]["schema"])


def test_objects_are_closed_and_limits_that_bedrock_rejects_become_descriptions() -> None:
    assert sent(SCHEMA) == {
        "type": "object",
        "properties": {
            "a": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {"b": {"type": "integer", "description": "(minimum: 1)"}},
                    "additionalProperties": False,
                },
            },
        },
        "additionalProperties": False,
    }


@pytest.mark.parametrize(
    "inner", [{}, {"additionalProperties": True}, {"additionalProperties": {"type": "string"}}]
)
def test_a_schema_with_additional_properties_needs_a_tool(inner: Any) -> None:
    assert config({"type": "object", "properties": {"a": {"type": "object", **inner}}}, HAIKU_4_5) is None


@pytest.mark.parametrize(
    "schema", [{"$defs": []}, {"properties": {"a": {"$ref": []}}}, {"$ref": "#/$defs/a", "$defs": 1}]
)
def test_a_malformed_schema_of_a_client_needs_a_tool(schema: Any) -> None:
    assert config({"type": "object", **schema}, HAIKU_4_5) is None


def test_every_model_must_support_the_schema() -> None:
    assert config(SCHEMA, HAIKU_4_5, "openai.gpt-oss-120b-1:0") is not None
    assert config(SCHEMA, HAIKU_4_5, "amazon.nova-lite-v1:0") is None
    assert config(SCHEMA) is None


def test_the_answer_tool_has_the_schema_and_a_name_of_its_own() -> None:
    tool = answer_tool(AnswerSchema("weather", "The weather.", SCHEMA, "p"), {"answer_weather"})
    assert tool.name == "answer_weather_"
    assert tool.schema == SCHEMA
    assert tool.description.startswith("The weather.\nCall this tool")
