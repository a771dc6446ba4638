"""Input items of the Responses API in Converse."""

from __future__ import annotations

from typing import Any

import pytest

from lambdas.streaming_api.turns import START
from tests.unit.lambdas.streaming_api.responses.bodies import (
    PNG,
    PNG_URL,
    WEATHER,
    call,
    converse,
    mapped,
    message,
    output,
    rejection,
    text,
    user,
)
from tests.unit.lambdas.streaming_api.rows import row

FILE = {"type": "input_file", "file_data": "aGVsbG8=", "filename": "notes.md"}
POINT = {"cachePoint": {"type": "default"}}


def contents(*items: Any, **fields: Any) -> list[Any]:
    """Return the content of each turn."""
    return [turn["content"] for turn in converse(*items, **fields)["messages"]]


@row("`instructions`")
@row("`input` as text")
def test_instructions_are_the_system_prompt_and_text_is_a_message_of_the_user() -> None:
    assert converse(instructions="Be brief.") == {
        "messages": [{"role": "user", "content": [{"text": "Hello"}]}],
        "system": [{"text": "Be brief."}],
    }


@row("`system` and `developer` messages at the beginning")
def test_leading_messages_of_the_developer_follow_the_instructions() -> None:
    request = converse(
        message("developer", "One"), message("system", [text("Two")]), user(text("Hi")), instructions="Zero"
    )
    assert request["system"] == [{"text": "Zero"}, {"text": "One"}, {"text": "Two"}]
    assert request["messages"] == [{"role": "user", "content": [{"text": "Hi"}]}]


@row("later `system` and `developer` messages")
def test_later_messages_of_the_developer_stay_in_place() -> None:
    found = contents(user(text("Hi")), message("assistant", "Yes?"), message("developer", "Be brief."))
    assert found == [[{"text": "Hi"}], [{"text": "Yes?"}], [{"text": "Be brief."}]]


@row("only `instructions` and `system` messages")
def test_a_prompt_without_messages_is_the_message_of_the_user() -> None:
    request = converse(message("developer", "Say hello."), instructions="Be brief.")
    assert "system" not in request
    assert request["messages"] == [
        {"role": "user", "content": [{"text": "Be brief."}, {"text": "Say hello."}]}
    ]


@row("an item without a type")
def test_an_item_without_a_type_is_a_message_if_it_has_a_role() -> None:
    assert contents({"role": "user", "content": "Hi"}) == [[{"text": "Hi"}]]
    assert rejection({"id": "msg_1"}).problem.startswith("is not supported; items are not stored")
    assert rejection({"content": "Hi"}).code == "missing_required_parameter"


@row("consecutive items of one role")
def test_consecutive_items_of_one_role_are_one_turn() -> None:
    request = converse(
        user(text("Weather in Lima and Rome?")),
        message("assistant", [{"type": "output_text", "text": "I look.", "annotations": []}]),
        call("1"),
        call("2", arguments='{"city": "Rome"}'),
        output("1"),
        output("2", "20 degrees"),
        user(text("And?")),
        tools=[WEATHER],
    )
    assert [turn["role"] for turn in request["messages"]] == ["user", "assistant", "user"]
    assert request["messages"][1]["content"] == [
        {"text": "I look."},
        {"toolUse": {"toolUseId": "1", "name": "weather", "input": {"city": "Lima"}}},
        {"toolUse": {"toolUseId": "2", "name": "weather", "input": {"city": "Rome"}}},
    ]
    assert request["messages"][2]["content"] == [
        {"toolResult": {"toolUseId": "1", "content": [{"text": "19 degrees"}]}},
        {"toolResult": {"toolUseId": "2", "content": [{"text": "20 degrees"}]}},
        {"text": "And?"},
    ]


@row("`input_text`, `output_text`, `refusal`")
def test_parts_of_text() -> None:
    parts = [{"type": "output_text", "text": "No."}, {"type": "refusal", "refusal": "I cannot."}]
    found = contents(user(text("Hi"), text(" ")), message("assistant", parts), user(text("Why?")))
    assert found == [[{"text": "Hi"}], [{"text": "No."}, {"text": "I cannot."}], [{"text": "Why?"}]]


def test_a_conversation_that_the_assistant_begins_gets_a_turn_of_the_user() -> None:
    assert contents(message("assistant", "Hi"))[0] == [{"text": START}]


@row("`input_image` with a data URL")
def test_an_image_with_a_data_url() -> None:
    image = {"type": "input_image", "image_url": PNG_URL, "detail": "high"}
    assert contents(user(text("What?"), image)) == [
        [{"text": "What?"}, {"image": {"format": "png", "source": {"bytes": PNG}}}]
    ]


@row("`input_image` with another URL")
@pytest.mark.parametrize("url", ["https://a.example/b.png", "file:///etc/passwd"])
def test_an_image_is_never_downloaded(url: str) -> None:
    error = rejection(user({"type": "input_image", "image_url": url}))
    assert error.param == "input[0].content[0].image_url"
    assert "files are not downloaded" in error.problem


@row("`input_file` with `file_data`")
@pytest.mark.parametrize("data", ["aGVsbG8=", "data:text/markdown;base64,aGVsbG8="])
def test_a_file_is_a_document(data: str) -> None:
    document = {"format": "md", "name": "notes.md", "source": {"bytes": b"hello"}}
    assert contents(user(text("Read"), {**FILE, "file_data": data})) == [
        [{"text": "Read"}, {"document": document}]
    ]


@row("`file_id`, `file_url`")
@pytest.mark.parametrize(
    ("part", "param"),
    [
        ({"type": "input_image", "file_id": "file-1"}, "file_id"),
        ({"type": "input_file", "file_id": "file-1"}, "file_id"),
        ({"type": "input_file", "file_url": "https://a.example/b.pdf"}, "file_url"),
    ],
)
def test_files_are_neither_stored_nor_downloaded(part: Any, param: str) -> None:
    error = rejection(user(part))
    assert (error.param, error.code) == (f"input[0].content[0].{param}", "unsupported_parameter")


@row("`function_call`")
@pytest.mark.parametrize(
    ("arguments", "sent"),
    [('{"a": 1}', {"a": 1}), ("", {}), ("[1]", {"arguments": [1]}), ('{"a', {"arguments": '{"a'})],
)
def test_arguments_that_are_no_object_become_an_argument(arguments: str, sent: Any) -> None:
    found = contents(user(text("Hi")), call("1", arguments=arguments), output("1"), tools=[WEATHER])
    assert found[1] == [{"toolUse": {"toolUseId": "1", "name": "weather", "input": sent}}]


@row("`function_call_output`")
@pytest.mark.parametrize(
    ("content", "sent"),
    [
        ("19 degrees", [{"text": "19 degrees"}]),
        (
            [text("See"), {"type": "input_image", "image_url": PNG_URL}],
            [{"text": "See"}, {"image": {"format": "png", "source": {"bytes": PNG}}}],
        ),
        ([FILE], [{"document": {"format": "md", "name": "notes.md", "source": {"bytes": b"hello"}}}]),
        ({"celsius": 19}, [{"text": '{"celsius": 19}'}]),
    ],
)
def test_the_output_of_a_function_is_text_or_a_list_of_parts(content: Any, sent: Any) -> None:
    found = contents(
        user(text("Hi")), call("1"), message("user", "Hm"), output("1", content), tools=[WEATHER]
    )
    assert found[2] == [{"toolResult": {"toolUseId": "1", "content": sent}}, {"text": "Hm"}]


@row("`cache_control` of a part or a tool")
def test_cache_control_is_a_cache_point_behind_a_part() -> None:
    control = {"type": "ephemeral", "ttl": "1h"}
    found = contents(user(text("Long", cache_control=control), text("Short")))
    assert found == [[{"text": "Long"}, {"cachePoint": {"type": "default", "ttl": "1h"}}, {"text": "Short"}]]
    tools = converse(tools=[{**WEATHER, "cache_control": {"type": "ephemeral"}}])["tool_config"]["tools"]
    assert tools[1] == POINT


@row("`prompt_cache_breakpoint` of a part")
def test_a_breakpoint_is_a_cache_point_behind_its_part() -> None:
    given = text("Long", prompt_cache_breakpoint={"mode": "explicit"})
    assert contents(user(given)) == [[{"text": "Long"}, POINT]]
    given = text("Long", prompt_cache_breakpoint={"mode": "explicit", "ttl": "12h"})
    assert contents(user(given))[0][1] == {"cachePoint": {"type": "default", "ttl": "1h"}}


@row("`item_reference`")
def test_a_reference_is_rejected() -> None:
    error = rejection({"type": "item_reference", "id": "msg_1"})
    assert (error.param, error.code) == ("input[0].type", "unsupported_parameter")


@row("items of other types")
@pytest.mark.parametrize(
    "type_", ["additional_tools", "compaction", "custom_tool_call", "mcp_call", "web_search_call", "new"]
)
def test_an_item_of_another_type_is_rejected(type_: str) -> None:
    error = rejection(user(text("Hi")), {"type": type_})
    assert (error.param, error.code) == ("input[1].type", "unsupported_parameter")


def test_other_members_of_items_have_no_effect() -> None:
    items = [
        {**user(text("Hi")), "id": "msg_1", "status": "completed"},
        {**call("1"), "id": "fc_1", "status": "completed", "caller": {"type": "direct"}},
        {**output("1"), "id": "fco_1", "status": "completed"},
        {**message("assistant", "Yes"), "id": "msg_2", "phase": "final_answer"},
        user(text("Go on")),
    ]
    request = mapped(*items, tools=[WEATHER])
    assert len(request.converse["messages"]) == 5
    assert request.ignored == ()


@pytest.mark.parametrize(
    ("items", "param"),
    [
        ([1], "input[0]"),
        ([{}], "input[0].type"),
        ([{"type": 1}], "input[0].type"),
        ([{"type": "message"}], "input[0].role"),
        ([message("tool", "a")], "input[0].role"),
        ([message("user", None)], "input[0].content"),
        ([message("user", {})], "input[0].content"),
        ([user({})], "input[0].content[0].type"),
        ([user({"type": "input_text"})], "input[0].content[0].text"),
        ([user({"type": "refusal", "refusal": "a"})], "input[0].content[0].type"),
        ([message("system", [{"type": "input_image"}])], "input[0].content[0].type"),
        ([user({"type": "input_image"})], "input[0].content[0].image_url"),
        ([user({"type": "input_file"})], "input[0].content[0].file_data"),
        ([user(text("a", cache_control={}))], "input[0].content[0].cache_control.type"),
        ([{"type": "function_call", "name": "a"}], "input[0].call_id"),
        ([call("1", name="")], "input[0].name"),
        ([call("1", arguments={})], "input[0]"),
        ([call("1")], "input[0]"),
        ([output("1")], "input[0]"),
        ([{"type": "function_call_output", "call_id": "1"}], "input[0].output"),
        ([user(text(" "))], "input"),
    ],
)
def test_an_invalid_item_is_rejected_with_the_path_of_the_field(items: Any, param: str) -> None:
    assert rejection(*items, tools=[WEATHER]).param == param


@pytest.mark.parametrize("value", [None, "", " ", [], 1, {}])
def test_input_without_content_is_rejected(value: Any) -> None:
    assert rejection(input=value).param == "input"


def test_problems_of_the_library_have_the_paths_of_items() -> None:
    request = mapped(user(text("Hi")), message("assistant", "Yes?"), user(text("a"), text("b")))
    assert request.origins["messages[2].content[1]"] == "input[2].content[1].text"
