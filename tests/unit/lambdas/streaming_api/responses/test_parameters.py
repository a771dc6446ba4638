"""Parameters of the Responses API in Converse."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lambdas.streaming_api.structured_output import JSON_OBJECT_INSTRUCTION
from tests.unit.lambdas.streaming_api.responses.bodies import (
    CLAUDE,
    FORMAT,
    NOVA,
    SCHEMA,
    converse,
    mapped,
    rejection,
)
from tests.unit.lambdas.streaming_api.rows import row


@row("`model`")
def test_a_request_names_a_model_and_models_to_fail_over_to() -> None:
    assert mapped(model="Nova Lite, Nova Micro").models == ("Nova Lite", "Nova Micro")
    assert mapped(models=["Nova Micro"]).models == ("Nova Lite", "Nova Micro")


@row("`max_output_tokens`")
def test_the_maximum_length_has_no_default() -> None:
    assert converse(max_output_tokens=5)["inference_config"] == {"maxTokens": 5}
    assert "inference_config" not in converse(max_output_tokens=None)


@row("`temperature`, `top_p`")
def test_temperature_and_top_p() -> None:
    assert converse(temperature=0, top_p=1)["inference_config"] == {"temperature": 0, "topP": 1}
    request = mapped(model_ids=(CLAUDE,), temperature=0.2, top_p=0.9)
    assert request.converse["inference_config"] == {"temperature": 0.2}
    assert request.ignored == ("top_p",)


@row("`temperature` above 1")
def test_a_temperature_above_1_is_rejected() -> None:
    assert rejection(temperature=1.5).param == "temperature"


@row("`reasoning.effort`")
def test_the_effort_of_reasoning_has_the_form_of_the_first_model() -> None:
    request = converse(model_ids=(CLAUDE, NOVA), reasoning={"effort": "low", "summary": "auto"})
    thinking = {"type": "enabled", "budget_tokens": 4096}
    assert request["additional_model_request_fields"] == {"thinking": thinking}
    request = converse(model_ids=(CLAUDE,), reasoning={"effort": "high"}, max_output_tokens=2000)
    assert request["additional_model_request_fields"]["thinking"]["budget_tokens"] == 1500
    assert "additional_model_request_fields" not in converse(reasoning={"summary": "auto"})


def test_an_effort_that_cannot_be_set_is_reported_as_ignored() -> None:
    assert mapped(reasoning={"effort": "low"}).ignored == ("reasoning.effort",)


@row("`text.format` of the type `json_schema`")
def test_a_schema_is_part_of_the_request_or_a_tool() -> None:
    request = mapped(model_ids=(CLAUDE,), text={"format": FORMAT})
    definition = request.converse["output_config"]["textFormat"]["structure"]["jsonSchema"]
    assert (definition["name"], json.loads(definition["schema"])) == ("report", SCHEMA)
    assert request.origins["outputConfig"] == "text.format"
    request = mapped(text={"format": FORMAT})
    assert request.answer_tool == "answer_report"
    assert request.converse["tool_config"]["toolChoice"] == {"tool": {"name": "answer_report"}}


@row("`text.format` of the type `json_object`")
def test_a_json_object_is_requested_by_an_instruction() -> None:
    request = mapped(text={"format": {"type": "json_object"}}, instructions="Be brief.")
    assert request.converse["system"] == [{"text": "Be brief."}, {"text": JSON_OBJECT_INSTRUCTION}]
    assert request.json_object


@pytest.mark.parametrize("text", [None, {}, {"format": None}, {"format": {"type": "text"}}])
def test_text_is_the_default_format(text: Any) -> None:
    assert list(converse(text=text)) == ["messages"]


@row("`service_tier`")
def test_the_service_tier() -> None:
    assert converse(service_tier="flex")["service_tier"] == {"type": "flex"}
    assert converse(service_tier="fast")["service_tier"] == {"type": "priority"}
    assert "service_tier" not in converse(service_tier="auto")
    assert {rejection(service_tier=tier).param for tier in ("scale", "ultrafast")} == {"service_tier"}


@row("`metadata`, `user`, `safety_identifier`")
def test_metadata_and_users_are_metadata_of_the_request() -> None:
    request = converse(metadata={"team": "a"}, user="ada@example.com", safety_identifier="b")
    assert request["request_metadata"] == {
        "team": "a",
        "user": "ada@example.com",
        "safety_identifier": "b",
    }


@row("`stream`")
def test_a_stream() -> None:
    assert mapped(stream=True).stream
    assert not mapped(stream=None).stream


@row("`include`")
def test_values_to_include_have_no_effect_except_for_log_probabilities() -> None:
    request = mapped(include=["reasoning.encrypted_content", "web_search_call.results", "new"])
    assert request.ignored == ()
    error = rejection(include=["reasoning.encrypted_content", "message.output_text.logprobs"])
    assert (error.param, error.code) == ("include[1]", "unsupported_parameter")


@row("`text.verbosity`, `reasoning.mode`")
def test_verbosity_and_mode_are_reported_unless_they_are_neutral() -> None:
    request = mapped(text={"verbosity": "low"}, reasoning={"mode": "pro"})
    assert request.ignored == ("text.verbosity", "reasoning.mode")
    assert mapped(text={"verbosity": "medium"}, reasoning={"mode": "standard"}).ignored == ()


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"model": None}, "model"),
        ({"instructions": ["a"]}, "instructions"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"top_p": "1"}, "top_p"),
        ({"reasoning": "low"}, "reasoning"),
        ({"reasoning": {"effort": "much"}}, "reasoning.effort"),
        ({"text": "json"}, "text"),
        ({"text": {"format": "json"}}, "text.format"),
        ({"text": {"format": {"type": "grammar"}}}, "text.format.type"),
        ({"text": {"format": {"type": "json_schema"}}}, "text.format.schema"),
        ({"text": {"format": {"type": "json_schema", "schema": {}}}}, "text.format.name"),
        ({"text": {"format": {**FORMAT, "schema": {"type": "array"}}}}, "text.format.schema.type"),
        ({"include": "all"}, "include"),
        ({"metadata": {"a": 1}}, "metadata.a"),
        ({"user": 1}, "user"),
        ({"stream": "yes"}, "stream"),
    ],
)
def test_an_invalid_parameter_is_rejected_with_the_path_of_the_field(fields: Any, param: str) -> None:
    assert rejection(**fields).param == param
