"""Tools of Chat Completions in Converse."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.lambdas.streaming_api.chat_completions.chat import (
    CLAUDE,
    HELLO,
    WEATHER,
    assistant,
    call,
    converse,
    mapped,
    rejection,
    result,
)
from tests.unit.lambdas.streaming_api.rows import row

TIME = {"type": "function", "function": {"name": "time"}}
LONG = "mcp__" + "server__" * 10 + "tool"


def named(name: str) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name}}


@row("`tools`")
def test_a_function_is_a_tool_with_its_schema() -> None:
    strict = {"type": "function", "function": {**WEATHER["function"], "strict": True}}
    assert converse(tools=[strict, TIME])["tool_config"] == {
        "tools": [
            {
                "toolSpec": {
                    "name": "weather",
                    "description": "The weather in a city",
                    "inputSchema": {"json": {"type": "object", "properties": {"city": {"type": "string"}}}},
                    "strict": True,
                }
            },
            {"toolSpec": {"name": "time", "inputSchema": {"json": {"type": "object"}}}},
        ]
    }


@row("custom tools")
def test_a_custom_tool_is_rejected() -> None:
    error = rejection(tools=[{"type": "custom", "custom": {"name": "python"}}])
    assert (error.param, error.code) == ("tools[0].type", "unsupported_parameter")


@row("names and ids of tools")
def test_a_name_that_converse_does_not_accept_is_shortened_and_mapped_back() -> None:
    request = mapped(
        HELLO, assistant("", call("x" * 100, LONG)), result("x" * 100), tools=[named(LONG), TIME]
    )
    sent = request.converse["tool_config"]["tools"][0]["toolSpec"]["name"]
    use = request.converse["messages"][1]["content"][0]["toolUse"]
    answer = request.converse["messages"][2]["content"][0]["toolResult"]
    assert len(sent) == 64
    assert request.tool_names == {sent: LONG}
    assert use["name"] == sent
    assert len(use["toolUseId"]) == 64
    assert answer["toolUseId"] == use["toolUseId"]


@row("`tool_choice`")
@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        ("auto", None),
        ("required", {"any": {}}),
        (named("weather"), {"tool": {"name": "weather"}}),
    ],
)
def test_the_choice_of_a_tool(choice: Any, sent: Any) -> None:
    assert converse(tools=[WEATHER], tool_choice=choice)["tool_config"].get("toolChoice") == sent


@row('`"tool_choice": "none"`')
def test_the_choice_of_no_tool_removes_the_tools() -> None:
    request = converse(HELLO, assistant("", call("1")), result("1"), tools=[WEATHER], tool_choice="none")
    assert "tool_config" not in request
    assert request["messages"][2]["content"] == [{"text": "[tool result: 19 degrees]"}]


@row("`tool_choice` of the type `allowed_tools`")
@pytest.mark.parametrize(("mode", "sent"), [("auto", None), ("required", {"any": {}})])
def test_only_the_allowed_tools_are_sent(mode: str, sent: Any) -> None:
    choice = {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": [named("time")]}}
    config = converse(tools=[WEATHER, TIME], tool_choice=choice)["tool_config"]
    assert [tool["toolSpec"]["name"] for tool in config["tools"]] == ["time"]
    assert config.get("toolChoice") == sent


@row("earlier tool calls in a request without `tools`")
def test_earlier_tool_calls_are_text_without_tools() -> None:
    request = converse(HELLO, assistant("", call("1")), result("1"))
    assert "tool_config" not in request
    assert request["messages"][1]["content"] == [{"text": '[called weather with {"city": "Lima"}]'}]
    assert request["messages"][2]["content"] == [{"text": "[tool result: 19 degrees]"}]


@row('`"parallel_tool_calls": false`')
@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        (None, {"type": "auto", "disable_parallel_tool_use": True}),
        ("required", {"disable_parallel_tool_use": True}),
    ],
)
def test_one_tool_call_at_a_time_is_a_field_of_claude(choice: Any, sent: Any) -> None:
    request = converse(model_ids=(CLAUDE,), tools=[WEATHER], tool_choice=choice, parallel_tool_calls=False)
    assert request["additional_model_request_fields"] == {"tool_choice": sent}


def test_one_tool_call_at_a_time_is_no_field_of_other_models() -> None:
    request = mapped(tools=[WEATHER], parallel_tool_calls=False)
    assert "additional_model_request_fields" not in request.converse
    assert request.one_tool_call


@pytest.mark.parametrize("fields", [{}, {"tools": []}, {"tools": [WEATHER], "tool_choice": "none"}])
def test_one_tool_call_at_a_time_has_no_effect_without_tools(fields: Any) -> None:
    assert "additional_model_request_fields" not in converse(parallel_tool_calls=False, **fields)


@pytest.mark.parametrize("choice", ["auto", "none", None])
def test_a_choice_without_tools_has_no_effect(choice: Any) -> None:
    assert list(converse(tool_choice=choice)) == ["messages"]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tools": {}}, "tools"),
        ({"tools": [1]}, "tools[0]"),
        ({"tools": [{}]}, "tools[0].type"),
        ({"tools": [{"type": "function"}]}, "tools[0].function"),
        ({"tools": [{"type": "function", "function": {}}]}, "tools[0].function.name"),
        ({"tools": [named("")]}, "tools[0].function.name"),
        ({"tools": [WEATHER, WEATHER]}, "tools[1].function.name"),
        (
            {"tools": [{"type": "function", "function": {"name": "a", "parameters": "b"}}]},
            "tools[0].function.parameters",
        ),
        (
            {"tools": [{"type": "function", "function": {"name": "a", "strict": 1}}]},
            "tools[0].function.strict",
        ),
        ({"tool_choice": "any"}, "tool_choice"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tool_choice": {"type": "custom"}}, "tool_choice.type"),
        ({"tool_choice": {"type": "function"}}, "tool_choice.function"),
        ({"tool_choice": named("time"), "tools": [WEATHER]}, "tool_choice.function.name"),
        ({"tool_choice": {"type": "allowed_tools"}}, "tool_choice.allowed_tools"),
        (
            {"tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}}},
            "tool_choice",
        ),
        ({"parallel_tool_calls": "no"}, "parallel_tool_calls"),
    ],
)
def test_an_invalid_tool_or_choice_is_rejected_with_the_path_of_the_field(fields: Any, param: str) -> None:
    assert rejection(**fields).param == param
