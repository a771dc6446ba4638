"""Tools of the Responses API in Converse."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.lambdas.streaming_api.responses.bodies import (
    CLAUDE,
    FORMAT,
    TIME,
    WEATHER,
    call,
    converse,
    mapped,
    output,
    rejection,
    text,
    user,
)
from tests.unit.lambdas.streaming_api.rows import row

NAMESPACE = {"type": "namespace", "name": "mcp__city", "description": "Cities", "tools": [WEATHER, TIME]}
SEARCH = {"type": "web_search", "external_web_access": False}
LONG = "n" * 90


def named(name: str, **more: Any) -> dict[str, Any]:
    return {"type": "function", "name": name, **more}


def allowed(*tools: Any, mode: str = "auto") -> dict[str, Any]:
    return {"type": "allowed_tools", "mode": mode, "tools": list(tools)}


def names(config: Any) -> list[str]:
    return [tool["toolSpec"]["name"] for tool in config["tools"]]


@row("`tools` of the type `function`")
def test_functions_are_tools() -> None:
    config = converse(tools=[{**WEATHER, "strict": True}, {**TIME, "parameters": None}])["tool_config"]
    assert config == {
        "tools": [
            {
                "toolSpec": {
                    "name": "weather",
                    "description": "The weather in a city",
                    "inputSchema": {"json": WEATHER["parameters"]},
                    "strict": True,
                }
            },
            {"toolSpec": {"name": "time", "inputSchema": {"json": {"type": "object"}}}},
        ]
    }


def test_a_function_that_is_not_strict_is_sent_without_the_field() -> None:
    assert "strict" not in converse(tools=[WEATHER])["tool_config"]["tools"][0]["toolSpec"]


@row("`tools` of the type `namespace`")
def test_functions_in_a_namespace_have_its_name_before_their_own() -> None:
    request = mapped(tools=[NAMESPACE, WEATHER])
    assert names(request.converse["tool_config"]) == ["mcp__city__weather", "mcp__city__time", "weather"]
    assert request.namespaced["mcp__city__weather"] == ("weather", "mcp__city")


def test_a_call_of_a_function_in_a_namespace_has_the_name_of_the_tool() -> None:
    items = [user(text("Hi")), call("1", namespace="mcp__city"), output("1")]
    content = converse(*items, tools=[NAMESPACE])["messages"][1]["content"]
    assert content[0]["toolUse"]["name"] == "mcp__city__weather"


@row("`web_search` beside functions")
@pytest.mark.parametrize("type_", ["web_search", "web_search_preview", "web_search_2025_08_26"])
def test_a_web_search_beside_functions_is_reported_as_ignored(type_: str) -> None:
    request = mapped(tools=[WEATHER, {"type": type_}], tool_choice=allowed(named("weather"), {"type": type_}))
    assert names(request.converse["tool_config"]) == ["weather"]
    assert request.ignored == ("tools.web_search",)


@row("`custom` tools and hosted tools")
@pytest.mark.parametrize(
    "type_",
    [
        "apply_patch",
        "code_interpreter",
        "computer",
        "custom",
        "file_search",
        "image_generation",
        "local_shell",
        "mcp",
        "shell",
        "tool_search",
    ],
)
def test_other_tools_are_rejected(type_: str) -> None:
    error = rejection(tools=[WEATHER, {"type": type_}])
    assert (error.param, error.code) == ("tools[1].type", "unsupported_parameter")


def test_a_web_search_alone_is_rejected() -> None:
    assert rejection(tools=[SEARCH]).param == "tools[0].type"


@row("names and ids of tools")
def test_long_names_are_shortened_in_every_turn() -> None:
    request = mapped(user(text("Hi")), call("1 2", LONG), output("1 2"), tools=[{**WEATHER, "name": LONG}])
    [sent] = names(request.converse["tool_config"])
    use = request.converse["messages"][1]["content"][0]["toolUse"]
    assert len(sent) <= 64
    assert use["name"] == sent
    assert request.tool_names == {sent: LONG}
    assert request.converse["messages"][2]["content"][0]["toolResult"]["toolUseId"] == use["toolUseId"]


@row("`tool_choice`")
@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        (None, None),
        ("auto", None),
        ("required", {"any": {}}),
        (named("weather"), {"tool": {"name": "weather"}}),
        (named("time", namespace="mcp__city"), {"tool": {"name": "mcp__city__time"}}),
    ],
)
def test_the_choice_of_a_tool(choice: Any, sent: Any) -> None:
    assert converse(tools=[WEATHER, NAMESPACE], tool_choice=choice)["tool_config"].get("toolChoice") == sent


@row('`"tool_choice": "none"`')
def test_the_choice_of_no_tool_removes_the_tools() -> None:
    request = converse(user(text("Hi")), call("1"), output("1"), tools=[WEATHER], tool_choice="none")
    assert "tool_config" not in request
    assert request["messages"][2]["content"] == [{"text": "[tool result: 19 degrees]"}]


@row("`tool_choice` of the type `allowed_tools`")
@pytest.mark.parametrize(("mode", "sent"), [("auto", None), ("required", {"any": {}})])
def test_only_the_allowed_functions_are_sent(mode: str, sent: Any) -> None:
    config = converse(tools=[WEATHER, TIME], tool_choice=allowed(named("time"), mode=mode))["tool_config"]
    assert names(config) == ["time"]
    assert config.get("toolChoice") == sent


@row("earlier function calls in a request without `tools`")
def test_earlier_function_calls_are_text_without_tools() -> None:
    request = converse(user(text("Hi")), call("1"), output("1"))
    assert "tool_config" not in request
    assert request["messages"][1]["content"] == [{"text": '[called weather with {"city": "Lima"}]'}]


@row('`"parallel_tool_calls": false`')
def test_one_function_call_at_a_time_is_a_field_of_claude() -> None:
    request = converse(model_ids=(CLAUDE,), tools=[WEATHER], parallel_tool_calls=False)
    sent = {"type": "auto", "disable_parallel_tool_use": True}
    assert request["additional_model_request_fields"] == {"tool_choice": sent}
    assert mapped(tools=[WEATHER], parallel_tool_calls=False).one_tool_call
    assert "additional_model_request_fields" not in converse(tools=[WEATHER], parallel_tool_calls=False)


def test_an_answer_tool_has_another_name_than_the_functions() -> None:
    request = mapped(tools=[{**WEATHER, "name": "answer_report"}], text={"format": FORMAT})
    assert names(request.converse["tool_config"]) == ["answer_report", "answer_report_"]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tools": {}}, "tools"),
        ({"tools": [1]}, "tools[0]"),
        ({"tools": [{}]}, "tools[0].type"),
        ({"tools": [{"type": 1}]}, "tools[0].type"),
        ({"tools": [{"type": "function"}]}, "tools[0].name"),
        ({"tools": [named("")]}, "tools[0].name"),
        ({"tools": [WEATHER, WEATHER]}, "tools[1].name"),
        (
            {"tools": [named("a__b"), {**NAMESPACE, "name": "a", "tools": [named("b")]}]},
            "tools[1].tools[0].name",
        ),
        ({"tools": [named("a", parameters="b")]}, "tools[0].parameters"),
        ({"tools": [named("a", strict=1)]}, "tools[0].strict"),
        ({"tools": [{"type": "namespace", "name": "a"}]}, "tools[0].tools"),
        ({"tools": [{**NAMESPACE, "tools": [{"type": "custom", "name": "a"}]}]}, "tools[0].tools[0].type"),
        ({"tools": [{**NAMESPACE, "name": None}]}, "tools[0].name"),
        ({"tool_choice": "any"}, "tool_choice"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tool_choice": {"type": "custom", "name": "a"}}, "tool_choice.type"),
        ({"tool_choice": {"type": "web_search_preview"}, "tools": [WEATHER]}, "tool_choice.type"),
        ({"tool_choice": {"type": "function"}}, "tool_choice.name"),
        ({"tool_choice": named("time"), "tools": [WEATHER]}, "tool_choice.name"),
        ({"tool_choice": {"type": "allowed_tools"}}, "tool_choice.mode"),
        ({"tool_choice": allowed()}, "tool_choice"),
        ({"tool_choice": allowed({"type": "mcp"}), "tools": [WEATHER]}, "tool_choice.tools[0].type"),
        ({"tool_choice": allowed(named("time")), "tools": [WEATHER]}, "tool_choice.tools[0].name"),
        ({"parallel_tool_calls": "no"}, "parallel_tool_calls"),
    ],
)
def test_an_invalid_tool_or_choice_is_rejected_with_the_path_of_the_field(fields: Any, param: str) -> None:
    assert rejection(**fields).param == param
