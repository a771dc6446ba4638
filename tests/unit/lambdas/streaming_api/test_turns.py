"""Conversations as Converse accepts them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.streaming_api.mapping_error import MappingError
from lambdas.streaming_api.turns import START, Part, Role, as_turns, tools_as_text
from llmmanager.bedrock.validation.request import check_request

CACHE_POINT = {"cachePoint": {"type": "default"}}


def user(block: Any, path: str = "u") -> Part:
    return Part("user", {"text": block} if isinstance(block, str) else block, path)


def assistant(block: Any, path: str = "a") -> Part:
    return Part("assistant", {"text": block} if isinstance(block, str) else block, path)


def call(id_: str, path: str = "c") -> Part:
    return assistant({"toolUse": {"toolUseId": id_, "name": "f", "input": {}}}, path)


def result(id_: str, path: str = "r") -> Part:
    return user({"toolResult": {"toolUseId": id_, "content": [{"text": "1"}]}}, path)


def kinds(parts: list[Part]) -> list[tuple[Role, list[str]]]:
    return [
        (message["role"], [next(iter(block)) for block in message["content"]])
        for message in as_turns(parts).messages
    ]


def test_consecutive_parts_of_one_role_are_one_turn() -> None:
    assert as_turns([user("a"), user("b"), assistant("c"), assistant("d"), user("e")]).messages == [
        {"role": "user", "content": [{"text": "a"}, {"text": "b"}]},
        {"role": "assistant", "content": [{"text": "c"}, {"text": "d"}]},
        {"role": "user", "content": [{"text": "e"}]},
    ]


def test_the_results_of_tools_come_first_in_a_turn() -> None:
    parts = [user("a"), call("1"), call("2"), user("wait"), result("1"), user(CACHE_POINT), result("2")]
    assert kinds(parts)[-1] == ("user", ["toolResult", "cachePoint", "toolResult", "text"])


def test_blank_text_is_dropped_with_its_cache_point() -> None:
    parts = [
        user(" \n"),
        user(CACHE_POINT),
        user("a"),
        user(CACHE_POINT),
        assistant(""),
        call("1"),
        result("1"),
    ]
    assert kinds(parts) == [
        ("user", ["text", "cachePoint"]),
        ("assistant", ["toolUse"]),
        ("user", ["toolResult"]),
    ]


def test_a_conversation_that_the_assistant_begins_gets_a_turn_before_it() -> None:
    assert as_turns([assistant("Hello"), user("Hi")]).messages[0] == {
        "role": "user",
        "content": [{"text": START}],
    }


def test_a_document_without_text_gets_its_name_as_text() -> None:
    document = {"document": {"format": "pdf", "name": "a.pdf", "source": {"bytes": b"%PDF"}}}
    assert as_turns([user(document)]).messages[0]["content"][-1] == {"text": "a.pdf"}
    assert len(as_turns([user(document), user("Read this")]).messages[0]["content"]) == 2


def test_the_last_answer_of_the_assistant_has_no_white_space_at_its_end() -> None:
    assert as_turns([user("a"), assistant("b \n")]).messages[-1]["content"] == [{"text": "b"}]


def test_each_turn_and_block_has_the_path_of_the_clients_field() -> None:
    turns = as_turns([user("a", "m0"), call("1", "m1.call"), user("b", "m2"), result("1", "m3")])
    assert turns.origins["messages[1].content[0]"] == "m1.call"
    assert turns.origins["messages[2].content[0]"] == "m3"
    assert turns.origins["messages[2].content[1]"] == "m2"
    assert turns.origins["messages[2]"] == "m3"


@pytest.mark.parametrize(
    ("parts", "problem"),
    [
        ([user("a"), call("1"), user("b")], "c: must be followed by the result of this tool call"),
        ([user("a"), call("1")], "c: must be followed by the result of this tool call"),
        ([user("a"), result("1")], "r: must be the result of a tool call"),
        ([user("a"), call("1"), result("2")], "r: must be the result of a tool call"),
    ],
)
def test_a_tool_call_and_its_result_belong_together(parts: list[Part], problem: str) -> None:
    with pytest.raises(MappingError, match=problem):
        as_turns(parts)


def test_tool_calls_and_results_become_text_without_tools() -> None:
    parts = tools_as_text([user("a"), call("1", "c"), result("1", "r")])
    assert [part.block for part in parts[1:]] == [
        {"text": "[called f with {}]"},
        {"text": "[tool result: 1]"},
    ]
    assert [part.path for part in parts] == ["u", "c", "r"]


@given(
    st.lists(
        st.builds(
            Part,
            st.sampled_from(["user", "assistant"]),
            st.sampled_from([{"text": ""}, {"text": " a "}, {"text": "b"}]),
            st.just("p"),
        ),
        max_size=8,
    )
)
def test_every_conversation_of_texts_becomes_a_valid_one(parts: list[Part]) -> None:
    messages = as_turns(parts).messages
    assert not messages or check_request({"messages": messages}) == ([], {})
