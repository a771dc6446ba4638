"""Tools of Anthropic's API in Converse."""

from __future__ import annotations

from typing import Any

import pytest

from lambdas.streaming_api.messages.tool_fields import ONE_CALL
from tests.unit.lambdas.streaming_api.messages.anthropic_messages import (
    HAIKU_4_5,
    HELLO,
    NOVA,
    WEATHER,
    additional,
    assistant,
    call,
    contents,
    converse,
    mapped,
    rejection,
    result,
    user,
)
from tests.unit.lambdas.streaming_api.rows import row

LONG = "mcp__" + "weather__" * 10


@row("`tools` without a type, or of the type `custom`")
@pytest.mark.parametrize("more", [{}, {"type": "custom"}, {"type": None}])
def test_a_tool_is_a_tool_specification(more: Any) -> None:
    assert converse(tools=[{**WEATHER, **more, "strict": True}])["tool_config"] == {
        "tools": [
            {
                "toolSpec": {
                    "name": "weather",
                    "description": "The weather in a city",
                    "inputSchema": {"json": WEATHER["input_schema"]},
                    "strict": True,
                }
            }
        ]
    }


@row("tools of another type")
@pytest.mark.parametrize("type_", ["web_search_20260318", "bash_20250124", "computer_toolset_20260801"])
def test_tools_that_anthropic_defines_are_rejected(type_: str) -> None:
    error = rejection(tools=[WEATHER, {"type": type_, "name": "a"}])
    assert (error.param, error.code) == ("tools[1].type", "unsupported_parameter")


@row("names and ids of tools")
def test_a_long_name_is_shortened_and_restored_in_answers() -> None:
    request = mapped(
        HELLO,
        assistant(call("a b", LONG)),
        user(result("a b")),
        tools=[{**WEATHER, "name": LONG}],
    )
    sent = request.converse["tool_config"]["tools"][0]["toolSpec"]["name"]
    use, found = (turn["content"][0] for turn in request.converse["messages"][1:])
    assert len(sent) == 64
    assert use["toolUse"]["name"] == sent
    assert use["toolUse"]["toolUseId"] == found["toolResult"]["toolUseId"] != "a b"
    assert request.tool_names == {sent: LONG}


@row("`tool_choice`")
@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        (None, None),
        ({"type": "auto"}, None),
        ({"type": "any"}, {"any": {}}),
        ({"type": "tool", "name": "weather"}, {"tool": {"name": "weather"}}),
    ],
)
def test_the_choice_of_tools(choice: Any, sent: Any) -> None:
    assert converse(tools=[WEATHER], tool_choice=choice)["tool_config"].get("toolChoice") == sent


@row("`tool_choice` of the type `none`")
def test_no_choice_sends_no_tools_and_earlier_calls_as_text() -> None:
    request = converse(
        HELLO, assistant(call()), user(result()), tools=[WEATHER], tool_choice={"type": "none"}
    )
    assert "tool_config" not in request
    assert request["messages"][1]["content"] == [{"text": '[called weather with {"city": "Lima"}]'}]


@row("earlier tool calls in a request without `tools`")
def test_earlier_tool_calls_without_tools_are_text() -> None:
    assert contents(HELLO, assistant(call()), user(result()))[2] == [{"text": "[tool result: 19 degrees]"}]


@row("`disable_parallel_tool_use`")
def test_an_answer_can_be_limited_to_one_call_of_a_tool_of_claude() -> None:
    auto = {"type": "auto", "disable_parallel_tool_use": True}
    assert additional(HAIKU_4_5, tools=[WEATHER], tool_choice=auto) == {"tool_choice": auto}
    assert additional(HAIKU_4_5, tools=[WEATHER], tool_choice={**auto, "type": "any"}) == {
        "tool_choice": {"disable_parallel_tool_use": True}
    }
    assert mapped(tools=[WEATHER], tool_choice=auto).one_tool_call
    assert additional(NOVA, tools=[WEATHER], tool_choice=auto) is None
    assert additional(NOVA, tool_choice=auto) is None
    assert additional(NOVA, tools=[WEATHER], tool_choice={**auto, "disable_parallel_tool_use": False}) is None


@row("`allowed_callers`, `defer_loading`, `eager_input_streaming`, `input_examples` of a tool")
@pytest.mark.parametrize(
    ("field", "neutral", "value"),
    [
        ("allowed_callers", ["direct"], ["code_execution_20260120"]),
        ("defer_loading", False, True),
        ("eager_input_streaming", False, True),
        ("input_examples", [], [{"city": "Lima"}]),
    ],
)
def test_fields_of_tools_without_effect_are_reported(field: str, neutral: Any, value: Any) -> None:
    assert mapped(tools=[{**WEATHER, field: value}]).ignored == (f"tools.{field}",)
    assert mapped(tools=[{**WEATHER, field: neutral}, {**WEATHER, "name": "b", field: None}]).ignored == ()


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tools": {}}, "tools"),
        ({"tools": ["weather"]}, "tools[0]"),
        ({"tools": [{"input_schema": {}}]}, "tools[0].name"),
        ({"tools": [{"name": "", "input_schema": {}}]}, "tools[0].name"),
        ({"tools": [{"name": "a"}]}, "tools[0].input_schema"),
        ({"tools": [{"name": "a", "input_schema": []}]}, "tools[0].input_schema"),
        ({"tools": [{**WEATHER, "strict": 1}]}, "tools[0].strict"),
        ({"tools": [WEATHER, WEATHER]}, "tools[1].name"),
        ({"tool_choice": "auto"}, "tool_choice"),
        ({"tool_choice": {}}, "tool_choice.type"),
        ({"tool_choice": {"type": "required"}}, "tool_choice.type"),
        ({"tool_choice": {"type": "any"}}, "tool_choice"),
        ({"tool_choice": {"type": "tool"}}, "tool_choice.name"),
        ({"tools": [WEATHER], "tool_choice": {"type": "tool", "name": "a"}}, "tool_choice.name"),
        ({"tool_choice": {"type": "auto", "disable_parallel_tool_use": 1}}, ONE_CALL),
    ],
)
def test_an_invalid_tool_or_choice_is_rejected_with_the_path_of_the_field(fields: Any, param: str) -> None:
    assert rejection(**fields).param == param
