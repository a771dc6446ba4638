"""Conversations of text alone take a shorter way through validation, with the same result."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmmanager.bedrock.exceptions.llm_manager_exceptions import RequestValidationError
from llmmanager.bedrock.validation.conversation import is_plain_text
from llmmanager.bedrock.validation.request import build_request

TEXT = st.sampled_from(["Hello", "Bonjour"])
ODD_TEXT = st.sampled_from(["", " \n", None, 7])
BLOCK = st.one_of(
    st.builds(lambda text: {"text": text}, TEXT),
    st.builds(lambda text: {"text": text}, TEXT | ODD_TEXT),
    st.sampled_from(
        [
            {},
            {"cachePoint": {"type": "default"}},
            {"text": "a", "cachePoint": {"type": "default"}},
            {"SDK_UNKNOWN_MEMBER": {"name": "hologram"}},
            {"document": {"name": "a_b", "format": "txt", "source": {"text": "a"}}},
            {"toolUse": {"toolUseId": "t1", "name": "clock", "input": {}}},
            {"toolResult": {"toolUseId": "t1", "content": [{"text": ""}]}},
            "text",
        ]
    ),
)
CONTENT = st.lists(BLOCK, max_size=2) | st.none()
MESSAGE = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "assistant", "system"]), "content": CONTENT},
    optional={"extra": st.none()},
)
ALTERNATING = st.lists(st.lists(st.builds(lambda text: {"text": text}, TEXT), min_size=1), max_size=4).map(
    lambda contents: [
        {"role": ("user", "assistant")[index % 2], "content": content}
        for index, content in enumerate(contents)
    ]
)


def outcome(messages: Any) -> object:
    try:
        request = build_request({"messages": messages})
    except RequestValidationError as error:
        return error.validation_errors
    return [list(request.fields["messages"]), request.warnings]


@given(st.lists(MESSAGE, max_size=4) | ALTERNATING)
def test_the_shorter_way_finds_and_changes_the_same(messages: list[Any]) -> None:
    # A tuple is accepted as a list is, and takes the longer way.
    assert outcome(messages) == outcome(tuple(messages))


@given(ALTERNATING)
def test_text_in_turns_is_plain(messages: list[Any]) -> None:
    assert is_plain_text(messages) is bool(messages)


@pytest.mark.parametrize("messages", [None, "text", 7, {}, [None], [{}], [{"role": "user"}]])
def test_what_is_no_conversation_is_not_plain(messages: object) -> None:
    assert not is_plain_text(messages)
