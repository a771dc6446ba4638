"""Messages of Anthropic's API in Converse."""

from __future__ import annotations

from typing import Any

import pytest

from lambdas.streaming_api.turns import START
from tests.unit.lambdas.streaming_api.messages.anthropic_messages import (
    EPHEMERAL,
    HELLO,
    PDF,
    PNG,
    WEATHER,
    assistant,
    call,
    contents,
    converse,
    document,
    encoded,
    image,
    pdf,
    plain,
    rejection,
    result,
    text,
    user,
)
from tests.unit.lambdas.streaming_api.rows import row

POINT = {"cachePoint": {"type": "default"}}
LATER = {"role": "system", "content": "Be kind."}


@row("`system`, a string or blocks of text")
@pytest.mark.parametrize("system", ["Be brief.", [text("Be brief.")]])
def test_the_system_prompt_is_a_string_or_blocks(system: Any) -> None:
    assert converse(system=system)["system"] == [{"text": "Be brief."}]


def test_a_blank_system_prompt_is_left_out() -> None:
    assert "system" not in converse(system="")
    assert "system" not in converse(system=[text(" ", cache_control=EPHEMERAL)])


@row("messages of the role `system` at the beginning")
def test_a_system_message_at_the_beginning_follows_the_system_prompt() -> None:
    assert converse(LATER, HELLO, system="Be brief.")["system"] == [
        {"text": "Be brief."},
        {"text": "Be kind."},
    ]


@row("later messages of the role `system`")
def test_a_later_system_message_is_text_of_the_user_in_its_place() -> None:
    request = converse(HELLO, assistant(text("Hi")), LATER, HELLO)
    assert "system" not in request
    assert request["messages"][-1]["content"] == [{"text": "Be kind."}, {"text": "Hello"}]


@row("only a system prompt")
def test_without_content_the_system_prompt_is_the_message_of_the_user() -> None:
    request = converse(user(text("")), system="Be brief.")
    assert request["messages"] == [{"role": "user", "content": [{"text": "Be brief."}]}]
    assert "system" not in request


@row("consecutive messages of one role")
def test_consecutive_messages_of_one_role_are_one_turn() -> None:
    assert contents(HELLO, HELLO, assistant(text("a")), assistant(text("b")), HELLO) == [
        [{"text": "Hello"}, {"text": "Hello"}],
        [{"text": "a"}, {"text": "b"}],
        [{"text": "Hello"}],
    ]


@row("a conversation that the assistant begins")
def test_a_conversation_that_the_assistant_begins_gets_a_turn_of_the_user() -> None:
    assert contents(assistant(text("Hi")), HELLO)[0] == [{"text": START}]


@row("a last message of the assistant")
def test_an_answer_continues_the_last_message_of_the_assistant() -> None:
    request = converse(HELLO, {"role": "assistant", "content": "The answer is: "})
    assert request["messages"][-1] == {"role": "assistant", "content": [{"text": "The answer is:"}]}


@row("blank text")
def test_blank_text_is_left_out_with_its_cache_point() -> None:
    assert contents(user(text(" ", cache_control=EPHEMERAL), text("Hello"))) == [[{"text": "Hello"}]]


@row("`image` with a `base64` source")
def test_an_image_has_the_format_of_its_first_bytes() -> None:
    assert contents(user(image()))[0] == [{"image": {"format": "png", "source": {"bytes": PNG}}}]


@row("`document` with a `base64` source")
def test_a_document_has_its_title_as_name() -> None:
    given = document(pdf(), title="Report", context="Of 2025", citations={"enabled": True})
    assert contents(user(text("Read"), given))[0][1] == {
        "document": {
            "format": "pdf",
            "name": "Report",
            "source": {"bytes": PDF},
            "context": "Of 2025",
            "citations": {"enabled": True},
        }
    }


def test_a_document_may_be_another_file() -> None:
    source = {"type": "base64", "media_type": "text/csv", "data": encoded(b"a,b")}
    found = contents(user(text("Read"), document(source, citations={"enabled": False})))[0][1]["document"]
    assert found == {"format": "csv", "name": "document", "source": {"bytes": b"a,b"}}


@row("`document` with a `text` source")
def test_a_text_is_a_text_file_and_with_citations_a_text() -> None:
    found = contents(user(text("Read"), document(plain("abc"), title="a.md")))[0][1]["document"]
    assert found == {"format": "txt", "name": "a.md", "source": {"bytes": b"abc"}}
    cited = document(plain("abc"), citations={"enabled": True})
    assert contents(user(text("Read"), cited))[0][1]["document"]["source"] == {"text": "abc"}


@row("`document` with a `content` source")
def test_a_list_of_texts_is_cited_one_by_one() -> None:
    source = {"type": "content", "content": [text("a"), text(" "), text("b")]}
    cited = document(source, citations={"enabled": True})
    assert contents(user(text("Read"), cited))[0][1]["document"]["source"] == {
        "content": [{"text": "a"}, {"text": "b"}]
    }
    assert contents(user(text("Read"), document(source)))[0][1]["document"]["source"] == {"bytes": b"a\n\nb"}
    one = document({"type": "content", "content": "a"})
    assert contents(user(text("Read"), one))[0][1]["document"]["source"] == {"bytes": b"a"}


def test_an_image_in_a_list_of_texts_is_rejected() -> None:
    error = rejection(user(document({"type": "content", "content": [text("a"), image()]})))
    assert error.param == "messages[0].content[0].source.content[1].type"


@row("`image` or `document` with a `url` or `file` source")
@pytest.mark.parametrize("type_", ["image", "document"])
@pytest.mark.parametrize(
    ("source", "field"),
    [
        ({"type": "url", "url": "http://169.254.169.254/"}, "url"),
        ({"type": "url", "url": "data:image/png;base64,AAAA"}, "url"),
        ({"type": "file", "file_id": "file_1"}, "file_id"),
    ],
)
def test_files_are_neither_downloaded_nor_stored(type_: str, source: Any, field: str) -> None:
    error = rejection(HELLO, user(text("See"), {"type": type_, "source": source}))
    assert error.param == f"messages[1].content[1].source.{field}"
    assert error.code == "unsupported_parameter"


@row("`search_result`")
def test_a_search_result() -> None:
    given = {
        "type": "search_result",
        "source": "https://a.example",
        "title": "A",
        "content": [text("a"), text("b")],
    }
    found = {"source": "https://a.example", "title": "A", "content": [{"text": "a"}, {"text": "b"}]}
    assert contents(user(text("Use"), given))[0][1] == {"searchResult": found}
    assert contents(user(text("Use"), {**given, "citations": {"enabled": True}}))[0][1] == {
        "searchResult": {**found, "citations": {"enabled": True}}
    }


@row("`thinking`")
def test_reasoning_is_sent_back_if_it_has_a_signature() -> None:
    signed = {"type": "thinking", "thinking": "Hm", "signature": "c2ln"}
    unsigned = {"type": "thinking", "thinking": "Hm", "signature": ""}
    assert contents(HELLO, assistant(signed, unsigned, text("Hi")), HELLO)[1] == [
        {"reasoningContent": {"reasoningText": {"text": "Hm", "signature": "c2ln"}}},
        {"text": "Hi"},
    ]


def test_reasoning_whose_text_was_omitted_keeps_its_signature() -> None:
    omitted = {"type": "thinking", "thinking": "", "signature": "c2ln"}
    assert contents(HELLO, assistant(omitted, text("Hi")), HELLO)[1][0] == {
        "reasoningContent": {"reasoningText": {"text": "", "signature": "c2ln"}}
    }


@row("`redacted_thinking`")
def test_encrypted_reasoning_is_sent_back() -> None:
    given = {"type": "redacted_thinking", "data": encoded(b"secret")}
    assert contents(HELLO, assistant(given, text("Hi")), HELLO)[1][0] == {
        "reasoningContent": {"redactedContent": b"secret"}
    }


@row("`tool_use`")
def test_tool_calls_stay_between_the_texts_of_the_assistant() -> None:
    found = contents(HELLO, assistant(text("a"), call(), text("b")), user(result()), tools=[WEATHER])[1]
    assert found == [
        {"text": "a"},
        {"toolUse": {"toolUseId": "toolu_1", "name": "weather", "input": {"city": "Lima"}}},
        {"text": "b"},
    ]


def test_a_tool_call_without_arguments() -> None:
    found = contents(HELLO, assistant(call(input=None)), user(result()), tools=[WEATHER])[1]
    assert found[0]["toolUse"]["input"] == {}


@row("`tool_result`")
def test_tool_results_come_first_in_their_turn() -> None:
    turn = user(text("Go on"), result("toolu_2", [text("a"), image()]), result(content=None, is_error=True))
    found = contents(HELLO, assistant(call(), call("toolu_2")), turn, tools=[WEATHER])[2]
    assert found == [
        {
            "toolResult": {
                "toolUseId": "toolu_2",
                "content": [{"text": "a"}, {"image": {"format": "png", "source": {"bytes": PNG}}}],
            }
        },
        {"toolResult": {"toolUseId": "toolu_1", "content": [], "status": "error"}},
        {"text": "Go on"},
    ]


@row("`tool_reference` in a tool result")
def test_a_reference_to_a_tool_is_text() -> None:
    content = [{"type": "tool_reference", "tool_name": "weather"}]
    found = contents(HELLO, assistant(call()), user(result(content=content)), tools=[WEATHER])[2]
    assert found[0]["toolResult"]["content"] == [{"text": "[tool weather]"}]


@row("blocks of tools that Anthropic runs, such as `server_tool_use`")
@pytest.mark.parametrize("type_", ["server_tool_use", "web_search_tool_result", "container_upload"])
def test_blocks_of_tools_that_anthropic_runs_are_rejected(type_: str) -> None:
    error = rejection(HELLO, assistant({"type": type_, "id": "a"}), HELLO)
    assert (error.param, error.code) == ("messages[1].content[0].type", "unsupported_parameter")


@row("`citations` of a text block")
def test_citations_of_an_earlier_answer_are_left_out() -> None:
    citation = {"type": "char_location", "cited_text": "a", "document_index": 0}
    assert contents(HELLO, assistant(text("Hi", citations=[citation])), HELLO)[1] == [{"text": "Hi"}]


@row("`cache_control` of a block or a tool")
def test_cache_control_is_a_cache_point_behind_the_block() -> None:
    hour = {**EPHEMERAL, "ttl": "1h"}
    request = converse(
        user(text("a", cache_control=EPHEMERAL), image(cache_control=hour)),
        assistant(call(cache_control=EPHEMERAL)),
        user(result(content=[text("b", cache_control=EPHEMERAL)], cache_control=hour), text("c")),
        system=[text("Rules", cache_control=hour)],
        tools=[{**WEATHER, "cache_control": EPHEMERAL}],
    )
    point_of_hour = {"cachePoint": {"type": "default", "ttl": "1h"}}
    first, second, third = (turn["content"] for turn in request["messages"])
    assert [first[1], first[3], second[1]] == [POINT, point_of_hour, POINT]
    assert [next(iter(block)) for block in third] == ["toolResult", "cachePoint", "text"]
    assert third[0]["toolResult"]["content"] == [{"text": "b"}]
    assert third[1] == point_of_hour
    assert request["system"] == [{"text": "Rules"}, point_of_hour]
    assert request["tool_config"]["tools"][1] == POINT


@row("`cache_control` of the request")
def test_cache_control_of_the_request_is_behind_the_last_content_of_the_user() -> None:
    assert contents(HELLO, cache_control=EPHEMERAL) == [[{"text": "Hello"}, POINT]]
    prefilled = contents(HELLO, assistant(text("Well ")), cache_control=EPHEMERAL)
    assert prefilled == [[{"text": "Hello"}, POINT], [{"text": "Well"}]]
    marked = user(text("Hello", cache_control=EPHEMERAL))
    assert contents(marked, cache_control=EPHEMERAL) == [[{"text": "Hello"}, POINT]]
    assert contents(assistant(text("Hi")), cache_control=EPHEMERAL) == [[{"text": START}], [{"text": "Hi"}]]
    assert rejection(cache_control={"type": "x"}).param == "cache_control.type"


@pytest.mark.parametrize(
    ("messages", "param"),
    [
        ([], "messages"),
        ([user(text(" "))], "messages"),
        (["Hello"], "messages[0]"),
        ([{"content": "Hello"}], "messages[0].role"),
        ([{"role": "developer", "content": "Hello"}], "messages[0].role"),
        ([{"role": "user"}], "messages[0].content"),
        ([{"role": "user", "content": 1}], "messages[0].content"),
        ([user({"text": "a"})], "messages[0].content[0].type"),
        ([user({"type": "text"})], "messages[0].content[0].text"),
        ([user({"type": "input_text"})], "messages[0].content[0].type"),
        ([user({"type": "thinking"})], "messages[0].content[0].type"),
        ([{"role": "system", "content": [image()]}, HELLO], "messages[0].content[0].type"),
        ([user({"type": "image"})], "messages[0].content[0].source"),
        ([user({"type": "image", "source": {}})], "messages[0].content[0].source.type"),
        (
            [user({"type": "image", "source": {"type": "base64"}})],
            "messages[0].content[0].source.data",
        ),
        ([user(image(b"hello"))], "messages[0].content[0].source.data"),
        ([user(image(PNG, cache_control=1))], "messages[0].content[0].cache_control"),
        ([user(document(plain(" ")))], "messages[0].content[0].source.data"),
        ([user(document(pdf(), citations={"enabled": 1}))], "messages[0].content[0].citations.enabled"),
        ([user({"type": "search_result", "content": []})], "messages[0].content[0].content"),
        (
            [user({"type": "search_result", "content": [text("a")], "title": "a"})],
            "messages[0].content[0].source",
        ),
        ([HELLO, assistant(image())], "messages[1].content[0].type"),
        ([HELLO, assistant(call(name=""))], "messages[1].content[0].name"),
        ([HELLO, assistant(call(id_=1))], "messages[1].content[0].id"),
        ([HELLO, assistant(call(input="{}"))], "messages[1].content[0].input"),
        ([HELLO, assistant(call()), HELLO], "messages[1].content[0]"),
        ([HELLO, user(result())], "messages[1].content[0]"),
        ([HELLO, assistant(call()), user(result(is_error=1))], "messages[2].content[0].is_error"),
        (
            [HELLO, assistant(call()), user(result(content=[call()]))],
            "messages[2].content[0].content[0].type",
        ),
        ([HELLO, assistant({"type": "redacted_thinking"})], "messages[1].content[0].data"),
        ([HELLO, assistant({"type": "redacted_thinking", "data": "!"})], "messages[1].content[0].data"),
        ([HELLO, assistant({"type": "thinking", "thinking": 1})], "messages[1].content[0].thinking"),
    ],
)
def test_an_invalid_message_is_rejected_with_the_path_of_the_field(messages: list[Any], param: str) -> None:
    error = rejection(**{"messages": messages}, tools=[WEATHER])
    assert error.param == param
    assert str(error).startswith(f"{param}: ")


@pytest.mark.parametrize(
    ("system", "param"), [(1, "system"), ([1], "system[0]"), ([image()], "system[0].type")]
)
def test_an_invalid_system_prompt_is_rejected(system: Any, param: str) -> None:
    assert rejection(system=system).param == param
