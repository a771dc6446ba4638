"""Parameters of Anthropic's API in Converse."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.lambdas.streaming_api.messages.anthropic_messages import (
    HAIKU_4_5,
    HELLO,
    LLAMA,
    NOVA,
    OPUS_5_5,
    WEATHER,
    additional,
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
FORMAT = {"type": "json_schema", "schema": SCHEMA}


@row("`model`")
@pytest.mark.parametrize(
    ("fields", "models"),
    [
        ({}, ("Nova Lite",)),
        ({"model": "Nova Lite, Nova Micro"}, ("Nova Lite", "Nova Micro")),
        ({"models": ["Nova Micro"]}, ("Nova Lite", "Nova Micro")),
    ],
)
def test_a_request_names_a_model_and_models_to_fail_over_to(fields: Any, models: tuple[str, ...]) -> None:
    assert mapped(**fields).models == models


@row("`max_tokens`")
def test_the_maximum_length_is_required() -> None:
    assert converse(max_tokens=5)["inference_config"] == {"maxTokens": 5}
    for value, problem in ((None, "is required"), (0, "must be an integer of at least 1 (got 0)")):
        error = rejection(max_tokens=value)
        assert (error.param, error.problem) == ("max_tokens", problem)


@row("`temperature`, `top_p`, `stop_sequences`")
def test_sampling_parameters_and_stop_sequences() -> None:
    request = mapped(temperature=0, top_p=1, stop_sequences=["END"])
    assert request.converse["inference_config"] == {
        "maxTokens": 100,
        "temperature": 0,
        "topP": 1,
        "stopSequences": ["END"],
    }
    assert request.stop_sequences == ("END",)
    assert "additional_model_response_field_paths" not in request.converse


def test_claude_is_asked_for_the_stop_sequence() -> None:
    request = converse(model_ids=(HAIKU_4_5,), stop_sequences=["END"])
    assert request["additional_model_response_field_paths"] == ["/stop_sequence"]
    assert "additional_model_response_field_paths" not in converse(model_ids=(HAIKU_4_5,), stop_sequences=[])


@row("`temperature` and `top_p` together")
def test_top_p_is_ignored_for_a_model_that_accepts_only_one_of_both() -> None:
    request = mapped(model_ids=(HAIKU_4_5, NOVA), temperature=0.2, top_p=0.9)
    assert request.ignored == ("top_p",)
    assert request.converse["inference_config"] == {"maxTokens": 100, "temperature": 0.2}


@row("`top_k`")
@pytest.mark.parametrize(
    ("model", "sent", "ignored"),
    [
        (HAIKU_4_5, {"top_k": 5}, ()),
        (NOVA, {"inferenceConfig": {"topK": 5}}, ()),
        (LLAMA, None, ("top_k",)),
    ],
)
def test_top_k_has_the_form_of_the_model(model: str, sent: Any, ignored: tuple[str, ...]) -> None:
    assert additional(model, top_k=5) == sent
    assert mapped(model_ids=(model,), top_k=5).ignored == ignored


@row("`output_config.format`")
def test_a_schema_is_sent_to_models_that_are_known_to_support_it() -> None:
    request = mapped(model_ids=(HAIKU_4_5,), output_config={"format": FORMAT})
    definition = request.converse["output_config"]["textFormat"]["structure"]["jsonSchema"]
    assert (json.loads(definition["schema"]), definition["name"]) == (SCHEMA, "json")
    assert request.answer_tool is None
    assert request.origins["outputConfig"] == "output_config.format.schema"


@row("`output_config.format`, and a model without support for it")
def test_a_schema_is_a_tool_for_other_models() -> None:
    request = mapped(model_ids=(HAIKU_4_5, NOVA), output_config={"format": FORMAT})
    config = request.converse["tool_config"]
    assert config["tools"][0]["toolSpec"]["inputSchema"]["json"] == SCHEMA
    assert config["toolChoice"] == {"tool": {"name": "answer_json"}}
    assert request.answer_tool == "answer_json"
    assert request.origins["toolConfig.tools[0].toolSpec.inputSchema"] == "output_config.format.schema"


def test_beside_tools_the_model_must_call_one_of_them_or_answer() -> None:
    config = converse(tools=[WEATHER], output_config={"format": FORMAT})["tool_config"]
    assert len(config["tools"]) == 2
    assert config["toolChoice"] == {"any": {}}


@row("`output_format`")
def test_the_former_name_of_the_format_is_accepted() -> None:
    request = mapped(model_ids=(HAIKU_4_5,), output_format=FORMAT)
    assert "output_config" in request.converse
    assert request.ignored == ()
    assert request.origins["outputConfig"] == "output_format.schema"


@row("`service_tier`")
@pytest.mark.parametrize(
    ("given", "sent"),
    [
        (None, None),
        ("auto", None),
        ("standard_only", {"type": "default"}),
        ("default", {"type": "default"}),
        ("flex", {"type": "flex"}),
        ("priority", {"type": "priority"}),
    ],
)
def test_service_tiers(given: str | None, sent: Any) -> None:
    assert converse(service_tier=given).get("service_tier") == sent


@row("`metadata`")
def test_the_user_is_metadata_of_the_request() -> None:
    assert converse(metadata={"user_id": "u-1"})["request_metadata"] == {"user_id": "u-1"}
    hashed = converse(metadata={"user_id": '{"session": "ä"}', "team": "a"})["request_metadata"]
    assert hashed["team"] == "a"
    assert hashed["user_id"].startswith("sha256:")
    assert "request_metadata" not in converse(metadata={"user_id": None})


def test_a_user_without_room_is_reported() -> None:
    metadata = {f"name{number}": "a" for number in range(14)} | {"user_id": "u-1"}
    assert mapped(metadata=metadata).ignored == ("metadata.user_id",)


@row("`stream`")
def test_the_answer_is_streamed() -> None:
    assert not mapped().stream
    assert mapped(stream=True).stream


@row("the header `anthropic-beta`")
@pytest.mark.parametrize(
    ("model", "betas", "sent", "ignored"),
    [
        (HAIKU_4_5, ("interleaved-thinking-2025-05-14",), ["interleaved-thinking-2025-05-14"], ()),
        (
            HAIKU_4_5,
            ("claude-code-20250219", "context-1m-2025-08-07"),
            ["context-1m-2025-08-07"],
            ("anthropic-beta",),
        ),
        (OPUS_5_5, ("interleaved-thinking-2025-05-14",), None, ("anthropic-beta",)),
        (NOVA, ("context-1m-2025-08-07",), None, ("anthropic-beta",)),
        (NOVA, (), None, ()),
    ],
)
def test_betas_that_bedrock_knows_are_sent_to_claude(
    model: str, betas: tuple[str, ...], sent: Any, ignored: tuple[str, ...]
) -> None:
    request = mapped(model_ids=(model,), betas=betas)
    assert request.converse.get("additional_model_request_fields", {}).get("anthropic_beta") == sent
    assert request.ignored == ignored


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"model": None}, "model"),
        ({"model": 1}, "model"),
        ({"max_tokens": "5"}, "max_tokens"),
        ({"temperature": 1.5}, "temperature"),
        ({"top_p": -1}, "top_p"),
        ({"top_k": -1}, "top_k"),
        ({"top_k": 1.5}, "top_k"),
        ({"stop_sequences": 5}, "stop_sequences"),
        ({"stop_sequences": [""]}, "stop_sequences"),
        ({"stream": "yes"}, "stream"),
        ({"service_tier": "batch"}, "service_tier"),
        ({"metadata": "u-1"}, "metadata"),
        ({"metadata": {"user_id": 1}}, "metadata.user_id"),
        ({"metadata": {"team": "ä"}}, "metadata.team"),
        ({"output_config": 1}, "output_config"),
        ({"output_config": {"format": {"type": "text"}}}, "output_config.format.type"),
        ({"output_config": {"format": {"type": "json_schema"}}}, "output_config.format.schema"),
        (
            {"output_config": {"format": {"type": "json_schema", "schema": {"type": "array"}}}},
            "output_config.format.schema.type",
        ),
    ],
)
def test_an_invalid_parameter_is_rejected_with_the_path_of_the_field(fields: Any, param: str) -> None:
    assert rejection(HELLO, **fields).param == param
