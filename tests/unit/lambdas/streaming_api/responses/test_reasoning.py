"""Reasoning that survives a conversation without being stored."""

from __future__ import annotations

import base64
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.streaming_api.mapping_error import MappingError
from lambdas.streaming_api.responses.reasoning_items import encrypted_content, reasoning_block
from tests.unit.lambdas.streaming_api.responses.bodies import (
    WEATHER,
    call,
    mapped,
    output,
    rejection,
    text,
    user,
)
from tests.unit.lambdas.streaming_api.rows import row


def reasoning(content: Any, summary: str = "Hm") -> dict[str, Any]:
    return {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [{"type": "summary_text", "text": summary}],
        "content": None,
        "encrypted_content": content,
    }


def content_of(fields: Any) -> str:
    return "converse:" + base64.b64encode(json.dumps(fields).encode()).decode()


@row("`reasoning`")
def test_reasoning_comes_before_the_calls_that_follow_it() -> None:
    item = reasoning(encrypted_content("I look it up.", "c2ln", b""))
    request = mapped(user(text("Hi")), item, call("1"), output("1"), tools=[WEATHER])
    assert request.converse["messages"][1]["content"] == [
        {"reasoningContent": {"reasoningText": {"text": "I look it up.", "signature": "c2ln"}}},
        {"toolUse": {"toolUseId": "1", "name": "weather", "input": {"city": "Lima"}}},
    ]
    assert request.ignored == ()


@given(st.text(), st.text(min_size=1), st.binary())
def test_reasoning_is_the_same_after_it_was_sent_back(thought: str, signature: str, redacted: bytes) -> None:
    block = reasoning_block(reasoning(encrypted_content(thought, signature, redacted)), "input[0]")
    if redacted:
        assert block == {"reasoningContent": {"redactedContent": redacted}}
    else:
        assert block == {"reasoningContent": {"reasoningText": {"text": thought, "signature": signature}}}


def test_reasoning_without_a_signature_is_left_out() -> None:
    assert encrypted_content("Hm", "", b"") is None
    request = mapped(user(text("Hi")), reasoning(None), user(text("Go on")))
    assert request.converse["messages"] == [{"role": "user", "content": [{"text": "Hi"}, {"text": "Go on"}]}]
    assert request.ignored == ()


@row("`encrypted_content` of another API")
@pytest.mark.parametrize("content", ["gAAAAABo", "", "abc"])
def test_reasoning_of_another_api_is_reported_as_ignored(content: str) -> None:
    request = mapped(user(text("Hi")), reasoning(content))
    assert request.converse["messages"] == [{"role": "user", "content": [{"text": "Hi"}]}]
    assert request.ignored == ("input.encrypted_content",)


@pytest.mark.parametrize(
    "content",
    [
        "converse:",
        "converse:?",
        "converse:aGVsbG8=",
        "converse:/w==",
        content_of([]),
        content_of({}),
        content_of({"text": "Hm"}),
        content_of({"text": "Hm", "signature": ""}),
        content_of({"redacted": "?"}),
        content_of({"redacted": ""}),
        content_of({"text": 1, "signature": "c2ln"}),
        1,
    ],
)
def test_reasoning_that_was_changed_is_rejected(content: Any) -> None:
    assert rejection(user(text("Hi")), reasoning(content)).param == "input[1].encrypted_content"


@given(st.text())
def test_any_content_is_read_or_rejected(content: str) -> None:
    for value in (content, f"converse:{content}"):
        with suppress(MappingError):
            reasoning_block(reasoning(value), "input[0]")
