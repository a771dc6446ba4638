"""Messages of Chat Completions in Converse."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from lambdas.streaming_api.turns import START
from tests.unit.lambdas.streaming_api.chat_completions.chat import (
    HELLO,
    PNG,
    PNG_URL,
    WEATHER,
    assistant,
    call,
    converse,
    mapped,
    rejection,
    result,
    text,
    user,
)
from tests.unit.lambdas.streaming_api.rows import row

SYSTEM = {"role": "system", "content": "Be brief."}


@row("`system` and `developer` messages at the beginning")
def test_system_and_developer_messages_at_the_beginning_are_the_system_prompt() -> None:
    request = converse(SYSTEM, {"role": "developer", "content": [text("Be kind.")]}, HELLO)
    assert request["system"] == [{"text": "Be brief."}, {"text": "Be kind."}]
    assert request["messages"] == [{"role": "user", "content": [{"text": "Hello"}]}]


@row("later `system` and `developer` messages")
def test_a_later_system_message_is_text_of_the_user_in_its_place() -> None:
    request = converse(HELLO, assistant("Hi"), SYSTEM, user("Who are you?"))
    assert "system" not in request
    assert request["messages"][-1] == {
        "role": "user",
        "content": [{"text": "Be brief."}, {"text": "Who are you?"}],
    }


@row("only `system` messages")
@pytest.mark.parametrize("others", [[], [user("")]])
def test_without_another_message_the_system_prompt_is_the_message_of_the_user(others: list[Any]) -> None:
    request = converse(SYSTEM, *others)
    assert request == {"messages": [{"role": "user", "content": [{"text": "Be brief."}]}]}


@row("consecutive messages of one role")
def test_consecutive_messages_of_one_role_are_one_turn() -> None:
    request = converse(HELLO, user("Anyone?"), assistant("Hi"), assistant("there"), user("Good"))
    assert [(turn["role"], len(turn["content"])) for turn in request["messages"]] == [
        ("user", 2),
        ("assistant", 2),
        ("user", 1),
    ]


@row("a conversation that the assistant begins")
def test_a_conversation_that_the_assistant_begins_gets_a_turn_of_the_user() -> None:
    assert converse(assistant("Hi"), HELLO)["messages"][0] == {"role": "user", "content": [{"text": START}]}


@row("assistant `content` and `tool_calls`")
def test_the_text_of_the_assistant_comes_before_its_tool_calls() -> None:
    request = converse(HELLO, assistant("I look.", call("1")), result("1"), tools=[WEATHER])
    assert request["messages"][1]["content"] == [
        {"text": "I look."},
        {"toolUse": {"toolUseId": "1", "name": "weather", "input": {"city": "Lima"}}},
    ]


@pytest.mark.parametrize(
    ("arguments", "sent"),
    [("", {}), (" ", {}), ("[1]", {"arguments": [1]}), ('{"a":', {"arguments": '{"a":'})],
)
def test_arguments_that_are_not_an_object_are_wrapped(arguments: str, sent: Any) -> None:
    request = converse(HELLO, assistant(None, call("1", arguments=arguments)), result("1"), tools=[WEATHER])
    assert request["messages"][1]["content"][0]["toolUse"]["input"] == sent


def test_a_refusal_of_the_assistant_is_text() -> None:
    parts = [{"type": "refusal", "refusal": "No."}]
    assert converse(HELLO, assistant(parts, refusal="Never."), HELLO)["messages"][1]["content"] == [
        {"text": "No."},
        {"text": "Never."},
    ]


@row("`tool` messages")
def test_consecutive_tool_messages_are_one_turn_of_results() -> None:
    request = converse(
        HELLO,
        assistant("", call("1"), call("2")),
        result("2", [text("b")]),
        result("1", "a"),
        tools=[WEATHER],
    )
    assert request["messages"][2] == {
        "role": "user",
        "content": [
            {"toolResult": {"toolUseId": "2", "content": [{"text": "b"}]}},
            {"toolResult": {"toolUseId": "1", "content": [{"text": "a"}]}},
        ],
    }


def test_text_between_a_call_and_its_result_moves_behind_the_result() -> None:
    request = converse(HELLO, assistant("", call("1")), user("Hurry"), result("1"), tools=[WEATHER])
    assert [next(iter(block)) for block in request["messages"][2]["content"]] == ["toolResult", "text"]


def test_a_result_may_contain_an_image_or_a_value() -> None:
    image = {"type": "image_url", "image_url": {"url": PNG_URL}}
    request = converse(
        HELLO,
        assistant("", call("1"), call("2")),
        result("1", [image]),
        result("2", {"a": 1}),
        tools=[WEATHER],
    )
    first, second = (block["toolResult"]["content"] for block in request["messages"][2]["content"])
    assert first == [{"image": {"format": "png", "source": {"bytes": PNG}}}]
    assert second == [{"text": '{"a": 1}'}]


def test_a_cache_point_of_a_result_follows_the_result() -> None:
    control = {"type": "ephemeral"}
    for content, more in (("1", {"cache_control": control}), ([text("1", cache_control=control)], {})):
        message = {**result("1", content), **more}
        request = converse(HELLO, assistant("", call("1")), message, tools=[WEATHER])
        assert request["messages"][2]["content"] == [
            {"toolResult": {"toolUseId": "1", "content": [{"text": "1"}]}},
            {"cachePoint": {"type": "default"}},
        ]


@row("blank text")
def test_blank_text_is_dropped() -> None:
    request = converse(
        user(text(""), text("Hello")), assistant(" \n", call("1")), result("1", ""), tools=[WEATHER]
    )
    assert request["messages"][0]["content"] == [{"text": "Hello"}]
    assert [next(iter(block)) for block in request["messages"][1]["content"]] == ["toolUse"]


@row("`reasoning_details` of the assistant")
def test_signed_and_encrypted_reasoning_is_sent_back_before_the_answer() -> None:
    details = [
        {"type": "reasoning.text", "index": 0, "text": "Hm, ", "signature": None},
        {"type": "reasoning.text", "index": 0, "text": "well", "signature": "c2ln"},
        {"type": "reasoning.encrypted", "index": 1, "data": base64.b64encode(b"secret").decode()},
        {"type": "reasoning.summary", "summary": "It thought."},
    ]
    message = assistant("Hi", reasoning_details=details, reasoning_content="Hm, well")
    assert converse(HELLO, message, HELLO)["messages"][1]["content"] == [
        {"reasoningContent": {"reasoningText": {"text": "Hm, well", "signature": "c2ln"}}},
        {"reasoningContent": {"redactedContent": b"secret"}},
        {"text": "Hi"},
    ]


def test_entries_of_reasoning_without_an_index_end_with_their_signature() -> None:
    details = [
        {"type": "reasoning.text", "text": "a"},
        {"type": "reasoning.text", "signature": "1"},
        {"type": "reasoning.text", "text": "b", "signature": "2"},
    ]
    blocks = converse(HELLO, assistant("Hi", reasoning_details=details), HELLO)["messages"][1]["content"]
    assert [block["reasoningContent"]["reasoningText"] for block in blocks[:2]] == [
        {"text": "a", "signature": "1"},
        {"text": "b", "signature": "2"},
    ]


@row("`reasoning_content` of the assistant")
def test_reasoning_without_a_signature_is_left_out() -> None:
    details = [{"type": "reasoning.text", "index": 0, "text": "Hm"}]
    message = assistant("Hi", reasoning_details=details, reasoning_content="Hm")
    assert converse(HELLO, message, HELLO)["messages"][1]["content"] == [{"text": "Hi"}]


@row("`image_url` with a data URL")
@pytest.mark.parametrize("media_type", ["image/png", "image/jpg", "application/octet-stream"])
def test_an_image_has_the_format_of_its_first_bytes(media_type: str) -> None:
    url = PNG_URL.replace("image/png", media_type)
    request = converse(user(text("What?"), {"type": "image_url", "image_url": {"url": url, "detail": "low"}}))
    assert request["messages"][0]["content"][1] == {"image": {"format": "png", "source": {"bytes": PNG}}}


@row("`image_url` with another URL")
@pytest.mark.parametrize("url", ["https://a.example/b.png", "http://169.254.169.254/", "file:///etc/passwd"])
def test_an_image_is_never_downloaded(url: str) -> None:
    error = rejection(HELLO, user(text("What?"), {"type": "image_url", "image_url": {"url": url}}))
    assert error.param == "messages[1].content[1].image_url.url"
    assert "must be a data URL" in error.problem


@row("`file` with `file_data`")
@pytest.mark.parametrize("prefix", ["data:application/pdf;base64,", ""])
def test_a_file_is_a_document(prefix: str) -> None:
    image = {"type": "file", "file": {"file_data": PNG_URL}}
    assert "image" in converse(user(image))["messages"][0]["content"][0]
    data = prefix + base64.b64encode(b"%PDF-1.7").decode()
    request = converse(user(text("Read"), {"type": "file", "file": {"file_data": data, "filename": "a.pdf"}}))
    assert request["messages"][0]["content"][1] == {
        "document": {"format": "pdf", "name": "a.pdf", "source": {"bytes": b"%PDF-1.7"}}
    }


@row("`file` with `file_id`")
def test_a_stored_file_is_rejected() -> None:
    error = rejection(user({"type": "file", "file": {"file_id": "file-1"}}))
    assert (error.param, error.code) == ("messages[0].content[0].file.file_id", "unsupported_parameter")


@pytest.mark.parametrize("data", ["https://a.example/b.pdf", "http://a"])
def test_a_file_is_never_downloaded(data: str) -> None:
    assert "must be a data URL" in rejection(user({"type": "file", "file": {"file_data": data}})).problem


@row("`input_audio`")
def test_a_sound_has_the_clients_format() -> None:
    sound = {
        "type": "input_audio",
        "input_audio": {"data": base64.b64encode(b"RIFF").decode(), "format": "wav"},
    }
    assert converse(user(text("Hear"), sound))["messages"][0]["content"][1] == {
        "audio": {"format": "wav", "source": {"bytes": b"RIFF"}}
    }


@row("`cache_control` of a part, a message or a tool")
def test_cache_control_is_a_cache_point_behind_the_part() -> None:
    control = {"type": "ephemeral"}
    request = converse(
        {"role": "system", "content": [text("Rules", cache_control={**control, "ttl": "1h"})]},
        {**user("Hello"), "cache_control": control},
        tools=[{**WEATHER, "cache_control": control}],
    )
    assert request["system"][1] == {"cachePoint": {"type": "default", "ttl": "1h"}}
    assert request["messages"][0]["content"][1] == {"cachePoint": {"type": "default"}}
    assert request["tool_config"]["tools"][1] == {"cachePoint": {"type": "default"}}


@row("`prompt_cache_breakpoint` of a part")
@pytest.mark.parametrize(
    ("given", "sent"), [({}, {}), ({"ttl": "30m"}, {"ttl": "1h"}), ({"ttl": "12h"}, {"ttl": "1h"})]
)
def test_a_breakpoint_of_the_prompt_cache_is_a_cache_point(given: Any, sent: Any) -> None:
    request = converse(user(text("Hello", prompt_cache_breakpoint={"mode": "explicit", **given})))
    assert request["messages"][0]["content"][1] == {"cachePoint": {"type": "default", **sent}}


@row("`name` of a message")
def test_the_name_of_a_message_is_reported_as_ignored() -> None:
    assert mapped({**HELLO, "name": "Ada"}).ignored == ("messages.name",)


@pytest.mark.parametrize(
    ("messages", "param"),
    [
        ([], "messages"),
        ([user(" ")], "messages"),
        (["Hello"], "messages[0]"),
        ([{"content": "Hello"}], "messages[0].role"),
        ([{"role": "bot", "content": "Hello"}], "messages[0].role"),
        ([{"role": "function", "name": "f", "content": "1"}], "messages[0].role"),
        ([{"role": "user", "content": 1}], "messages[0].content"),
        ([user({"text": "a"})], "messages[0].content[0].type"),
        ([user({"type": "text"})], "messages[0].content[0].text"),
        ([user({"type": "input_image"})], "messages[0].content[0].type"),
        ([user(text("a"), {"type": "image_url"})], "messages[0].content[1].image_url"),
        ([{"role": "system", "content": [{"type": "image_url"}]}], "messages[0].content[0].type"),
        ([HELLO, assistant("a", function_call={"name": "f"})], "messages[1].function_call"),
        ([HELLO, assistant(None, audio={"id": "a"})], "messages[1].audio"),
        ([HELLO, assistant("a", {"id": "1", "type": "custom"})], "messages[1].tool_calls[0].type"),
        (
            [HELLO, assistant("a", {"type": "function", "function": {"name": "f"}})],
            "messages[1].tool_calls[0].id",
        ),
        ([HELLO, assistant("a", call("1"))], "messages[1].tool_calls[0]"),
        ([HELLO, assistant("a", call("1")), HELLO], "messages[1].tool_calls[0]"),
        ([HELLO, result("1")], "messages[1]"),
        ([HELLO, {"role": "tool", "content": "1"}], "messages[1].tool_call_id"),
        ([user(text("a", cache_control={"type": "x"}))], "messages[0].content[0].cache_control.type"),
        ([HELLO, assistant("a", reasoning_details=[1])], "messages[1].reasoning_details[0]"),
    ],
)
def test_an_invalid_message_is_rejected_with_the_path_of_the_field(messages: list[Any], param: str) -> None:
    error = rejection(**{"messages": messages}, tools=[WEATHER])
    assert error.param == param
    assert str(error).startswith(f"{param}: ")
