"""Parameters of Chat Completions in Converse."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lambdas.streaming_api.structured_output import JSON_OBJECT_INSTRUCTION
from tests.unit.lambdas.streaming_api.chat_completions.chat import (
    CLAUDE,
    HELLO,
    NOVA,
    WEATHER,
    converse,
    mapped,
    rejection,
)
from tests.unit.lambdas.streaming_api.rows import row

SCHEMA = {
    "type": "object",
    "properties": {"celsius": {"type": "number"}},
    "required": ["celsius"],
    "additionalProperties": False,
}
FORMAT = {"type": "json_schema", "json_schema": {"name": "report", "schema": SCHEMA, "strict": True}}


@row("`model`")
@pytest.mark.parametrize(
    ("fields", "models"),
    [
        ({"model": "Nova Lite"}, ("Nova Lite",)),
        ({"model": "Nova Lite, Nova Micro"}, ("Nova Lite", "Nova Micro")),
        ({"model": "Nova Lite", "models": ["Nova Micro", "Nova Lite"]}, ("Nova Lite", "Nova Micro")),
    ],
)
def test_a_request_names_a_model_and_models_to_fail_over_to(fields: Any, models: tuple[str, ...]) -> None:
    assert mapped(**fields).models == models


@row("`max_completion_tokens`, `max_tokens`")
@pytest.mark.parametrize(
    ("fields", "sent"),
    [
        ({}, None),
        ({"max_tokens": 5}, {"maxTokens": 5}),
        ({"max_completion_tokens": 6}, {"maxTokens": 6}),
        ({"max_tokens": 5, "max_completion_tokens": 6}, {"maxTokens": 6}),
        ({"max_tokens": 5, "max_completion_tokens": None}, {"maxTokens": 5}),
    ],
)
def test_the_maximum_length_has_no_default(fields: Any, sent: Any) -> None:
    assert converse(**fields).get("inference_config") == sent


@row("`temperature`, `top_p`, `stop`")
@pytest.mark.parametrize("stop", ["END", ["END"]])
def test_sampling_parameters_and_stop_sequences(stop: Any) -> None:
    assert converse(temperature=0, top_p=1, stop=stop)["inference_config"] == {
        "temperature": 0,
        "topP": 1,
        "stopSequences": ["END"],
    }


@row("`temperature` and `top_p` together")
def test_top_p_is_ignored_for_a_model_that_accepts_only_one_of_both() -> None:
    request = mapped(model_ids=(CLAUDE, NOVA), temperature=0.2, top_p=0.9)
    assert request.converse["inference_config"] == {"temperature": 0.2}
    assert request.ignored == ("top_p",)
    assert converse(model_ids=(CLAUDE,), top_p=0.9)["inference_config"] == {"topP": 0.9}


@row("`temperature` above 1")
@pytest.mark.parametrize("value", [1.01, 2, -1])
def test_a_temperature_above_1_is_rejected(value: float) -> None:
    error = rejection(temperature=value)
    assert (error.param, error.problem[:28]) == ("temperature", "must be a number from 0 to 1")


@row("`reasoning_effort`")
@pytest.mark.parametrize(
    ("model", "effort", "sent"),
    [
        (
            "anthropic.claude-sonnet-5",
            "high",
            {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}},
        ),
        (CLAUDE, "low", {"thinking": {"type": "enabled", "budget_tokens": 4096}}),
        (
            "amazon.nova-2-lite-v1:0",
            "high",
            {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "high"}},
        ),
        ("openai.gpt-oss-20b-1:0", "medium", {"reasoning_effort": "medium"}),
        (CLAUDE, "none", None),
    ],
)
def test_the_effort_of_reasoning_has_the_form_of_the_first_model(model: str, effort: str, sent: Any) -> None:
    request = mapped(model_ids=(model, NOVA), reasoning_effort=effort)
    assert request.converse.get("additional_model_request_fields") == sent
    assert request.ignored == ()


def test_the_budget_for_reasoning_is_below_the_maximum_length() -> None:
    request = converse(model_ids=(CLAUDE,), reasoning_effort="high", max_tokens=2000)
    assert request["additional_model_request_fields"]["thinking"]["budget_tokens"] == 1500


@pytest.mark.parametrize(("model", "fields"), [(NOVA, {}), (CLAUDE, {"max_tokens": 1024})])
def test_an_effort_that_cannot_be_set_is_reported_as_ignored(model: str, fields: Any) -> None:
    request = mapped(model_ids=(model,), reasoning_effort="low", **fields)
    assert request.ignored == ("reasoning_effort",)
    assert "additional_model_request_fields" not in request.converse


@row("`response_format` of the type `json_schema`")
def test_a_schema_is_part_of_the_request_if_all_models_support_it() -> None:
    request = mapped(model_ids=(CLAUDE,), response_format=FORMAT)
    definition = request.converse["output_config"]["textFormat"]["structure"]["jsonSchema"]
    assert (definition["name"], json.loads(definition["schema"])) == ("report", SCHEMA)
    assert request.answer_tool is None
    assert "tool_config" not in request.converse


@row("`json_schema`, and a model without support for it")
def test_a_schema_is_a_tool_that_must_be_called_if_a_model_does_not_support_it() -> None:
    request = mapped(model_ids=(CLAUDE, NOVA), response_format=FORMAT)
    config = request.converse["tool_config"]
    assert config["tools"][0]["toolSpec"]["inputSchema"] == {"json": SCHEMA}
    assert config["toolChoice"] == {"tool": {"name": "answer_report"}}
    assert request.answer_tool == "answer_report"
    assert "output_config" not in request.converse


def test_beside_other_tools_the_model_must_call_one_of_them_or_answer() -> None:
    request = mapped(response_format=FORMAT, tools=[WEATHER])
    config = request.converse["tool_config"]
    assert [tool["toolSpec"]["name"] for tool in config["tools"]] == ["weather", "answer_report"]
    assert config["toolChoice"] == {"any": {}}


def test_a_forced_call_of_a_tool_has_no_answer_with_a_schema() -> None:
    request = mapped(response_format=FORMAT, tools=[WEATHER], tool_choice="required")
    assert request.answer_tool is None
    assert len(request.converse["tool_config"]["tools"]) == 1


def test_without_a_choice_of_tools_only_the_answer_is_a_tool() -> None:
    request = mapped(response_format=FORMAT, tools=[WEATHER], tool_choice="none")
    assert request.converse["tool_config"]["toolChoice"] == {"tool": {"name": "answer_report"}}


@row("`response_format` of the type `json_object`")
def test_a_json_object_is_requested_by_an_instruction() -> None:
    request = mapped(response_format={"type": "json_object"})
    assert request.converse["system"] == [{"text": JSON_OBJECT_INSTRUCTION}]
    assert request.json_object


def test_text_is_the_default_format() -> None:
    assert list(converse(response_format={"type": "text"})) == ["messages"]


@row("`service_tier`")
@pytest.mark.parametrize(
    ("tier", "sent"),
    [
        ("auto", None),
        (None, None),
        ("default", {"type": "default"}),
        ("flex", {"type": "flex"}),
        ("priority", {"type": "priority"}),
        ("fast", {"type": "priority"}),
    ],
)
def test_the_service_tier(tier: Any, sent: Any) -> None:
    assert converse(service_tier=tier).get("service_tier") == sent


@row("`metadata`, `user`, `safety_identifier`")
def test_metadata_and_users_are_metadata_of_the_request() -> None:
    request = converse(metadata={"team": "a"}, user="ada@example.com", safety_identifier="{odd}")
    metadata = request["request_metadata"]
    assert metadata.pop("safety_identifier").startswith("sha256:")
    assert metadata == {"team": "a", "user": "ada@example.com"}


def test_a_user_without_room_in_the_metadata_is_reported_as_ignored() -> None:
    metadata = {f"key{number}": "a" for number in range(14)}
    request = mapped(metadata=metadata, user="Ada")
    assert request.converse["request_metadata"] == metadata
    assert request.ignored == ("user",)


@row("`stream`, `stream_options.include_usage`")
@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, (False, False)),
        ({"stream": True}, (True, False)),
        (
            {"stream": True, "stream_options": {"include_usage": True, "include_obfuscation": False}},
            (True, True),
        ),
        ({"stream": None, "stream_options": None}, (False, False)),
    ],
)
def test_a_stream_and_its_token_counts(fields: Any, expected: tuple[bool, bool]) -> None:
    request = mapped(**fields)
    assert (request.stream, request.include_usage) == expected


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"model": None}, "model"),
        ({"model": ""}, "model"),
        ({"model": "a,,b"}, "model"),
        ({"model": 1}, "model"),
        ({"models": "a"}, "models"),
        ({"models": [""]}, "models[0]"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": True}, "max_tokens"),
        ({"max_completion_tokens": 1.5}, "max_completion_tokens"),
        ({"top_p": "1"}, "top_p"),
        ({"stop": ""}, "stop"),
        ({"stop": [1]}, "stop[0]"),
        ({"reasoning_effort": "much"}, "reasoning_effort"),
        ({"response_format": "json"}, "response_format"),
        ({"response_format": {"type": "grammar"}}, "response_format.type"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "a"}}},
            "response_format.json_schema.schema",
        ),
        (
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "a", "schema": {"type": "array"}},
                }
            },
            "response_format.json_schema.schema.type",
        ),
        ({"service_tier": "scale"}, "service_tier"),
        ({"metadata": {"a": 1}}, "metadata.a"),
        ({"metadata": {"a": "{}"}}, "metadata.a"),
        ({"metadata": {"{}": "a"}}, "metadata.{}"),
        ({"metadata": {str(number): "a" for number in range(15)}}, "metadata"),
        ({"user": 1}, "user"),
        ({"stream": "yes"}, "stream"),
        ({"stream_options": {"include_usage": 1}}, "stream_options.include_usage"),
    ],
)
def test_an_invalid_parameter_is_rejected_with_the_path_of_the_field(fields: Any, param: str) -> None:
    assert rejection(HELLO, **fields).param == param
