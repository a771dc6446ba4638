"""Blank text of models and tools is removed from the history."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmmanager.bedrock.validation.blank_text import EMPTY_ANSWER, EMPTY_ERROR
from llmmanager.bedrock.validation.blank_text import without_blank_text as without

Json = dict[str, Any]

QUESTION = {"role": "user", "content": [{"text": "How warm is it?"}]}
NEXT_QUESTION = {"role": "user", "content": [{"text": "And now?"}]}
TOOL_USE = {"toolUse": {"toolUseId": "t1", "name": "weather", "input": {}}}
CACHE_POINT = {"cachePoint": {"type": "default"}}


def without_blank_text(messages: list[Json]) -> tuple[Any, list[str]]:
    request, warnings = without({"messages": messages})
    return request["messages"], warnings


def assistant(*blocks: Json) -> Json:
    return {"role": "assistant", "content": list(blocks)}


def user(*blocks: Json) -> Json:
    return {"role": "user", "content": list(blocks)}


def result(*content: Json, **members: Any) -> Json:
    return {"toolResult": {"toolUseId": "t1", "content": list(content), **members}}


@pytest.mark.parametrize("blank", ["", " ", "\n\n", "\t \r\n"])
def test_blank_assistant_text_next_to_other_content_is_removed(blank: str) -> None:
    history = [QUESTION, assistant({"text": blank}, TOOL_USE, {"text": blank}), user(result())]
    before = copy.deepcopy(history)
    sent, warnings = without_blank_text(history)
    assert sent == [QUESTION, assistant(TOOL_USE), user(result())]
    assert warnings == []
    assert history == before


@pytest.mark.parametrize("content", [[], [{"text": ""}], [{"text": " "}, {"text": "\n"}]])
def test_an_empty_answer_is_replaced_by_a_text(content: list[Json]) -> None:
    sent, warnings = without_blank_text([QUESTION, assistant(*content), NEXT_QUESTION])
    assert sent == [QUESTION, assistant({"text": EMPTY_ANSWER}), NEXT_QUESTION]
    assert warnings == [f'messages[1] is an empty assistant message and was sent as "{EMPTY_ANSWER}"']


def test_an_answer_with_only_a_cache_point_is_empty() -> None:
    sent, warnings = without_blank_text([QUESTION, assistant({"text": ""}, CACHE_POINT), NEXT_QUESTION])
    assert sent[1] == assistant({"text": EMPTY_ANSWER}, CACHE_POINT)
    assert len(warnings) == 1


@pytest.mark.parametrize("content", [[], [{"text": ""}]])
def test_an_empty_answer_at_the_end_is_removed(content: list[Json]) -> None:
    assert without_blank_text([QUESTION, assistant(*content)]) == ([QUESTION], [])


def test_blank_text_in_a_tool_result_is_removed() -> None:
    blank, mixed = result({"text": ""}, status="success"), result({"text": " "}, {"json": {"a": ""}})
    sent, warnings = without_blank_text(
        [QUESTION, assistant(TOOL_USE), user(blank), assistant(mixed, TOOL_USE)]
    )
    assert sent[2] == user(result(status="success"))
    assert sent[3] == assistant(result({"json": {"a": ""}}), TOOL_USE)
    assert warnings == []


@pytest.mark.parametrize("content", [[], [{"text": " "}]])
def test_the_empty_result_of_a_tool_that_failed_is_replaced_by_a_text(content: list[Json]) -> None:
    sent, warnings = without_blank_text(
        [QUESTION, assistant(TOOL_USE), user(result(*content, status="error"))]
    )
    assert sent[2] == user(result({"text": EMPTY_ERROR}, status="error"))
    assert warnings == []


def test_blank_text_of_a_server_tool_is_removed() -> None:
    sent, _ = without_blank_text([QUESTION, assistant(TOOL_USE, result({"text": ""})), NEXT_QUESTION])
    assert sent[1] == assistant(TOOL_USE, result())


def test_reasoning_without_text_is_kept_for_its_signature() -> None:
    reasoning = {"reasoningContent": {"reasoningText": {"text": "", "signature": "c2ln"}}}
    history = [QUESTION, assistant(reasoning, {"text": "19 °C"}), NEXT_QUESTION]
    request = {"messages": history}
    assert without(request)[0] is request


BLOCKS = st.sampled_from(["text", "\n", ""]).map(lambda text: {"text": text}) | st.just(TOOL_USE)
RESULTS = st.lists(BLOCKS, max_size=2).map(lambda content: result(*content))
ANSWERS = st.lists(BLOCKS | RESULTS, max_size=3).map(lambda content: assistant(*content))
QUESTIONS = st.lists(RESULTS, max_size=2).map(lambda content: user({"text": "a"}, *content))


@given(st.lists(st.tuples(QUESTIONS, ANSWERS), min_size=1, max_size=4))
def test_blank_text_of_models_and_tools_is_not_sent(turns: list[tuple[Json, Json]]) -> None:
    history = [message for turn in turns for message in turn]
    before = copy.deepcopy(history)
    sent, _ = without_blank_text(history)
    roles = [message["role"] for message in sent]
    assert roles == ["user", "assistant"] * (len(roles) // 2) + ["user"] * (len(roles) % 2)
    for message in sent:
        assert message["content"]
        for block in message["content"]:
            texts = [block, *block.get("toolResult", {}).get("content", [])]
            assert all(part["text"].strip() for part in texts if "text" in part)
    assert history == before
    assert without_blank_text(sent) == (sent, [])
