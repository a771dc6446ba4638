"""Conversations that Converse rejects for every model: nothing is sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from llmmanager import BedrockConverseRequest, LLMManager, RequestValidationError
from llmmanager.testing import FakeBedrock

Json = dict[str, Any]

TOOLS = {"tools": [{"toolSpec": {"name": "weather", "inputSchema": {"json": {"type": "object"}}}}]}


def user(*blocks: Json) -> Json:
    return {"role": "user", "content": list(blocks)}


def assistant(*blocks: Json) -> Json:
    return {"role": "assistant", "content": list(blocks)}


def text(words: str) -> Json:
    return {"text": words}


def tool_use(id_: str) -> Json:
    return {"toolUse": {"toolUseId": id_, "name": "weather", "input": {"city": "Lima"}}}


def tool_result(id_: str) -> Json:
    return {"toolResult": {"toolUseId": id_, "content": [{"json": {"celsius": 19}}]}}


ASKED = [user(text("How warm is it?")), assistant(tool_use("t1"))]
REJECTED: dict[str, tuple[list[Json], Json | None, str]] = {
    "roles that do not alternate": ([user(text("a")), user(text("b"))], None, "messages[1].role"),
    "an assistant message first": ([assistant(text("a")), user(text("b"))], None, "messages[0].role"),
    "tool blocks without toolConfig": ([*ASKED, user(tool_result("t1"))], None, "toolConfig"),
    "more tool results than tool uses": (
        [*ASKED, user(tool_result("t1"), tool_result("t2"))],
        TOOLS,
        "messages[2].content[1].toolResult.toolUseId",
    ),
    "a tool use without result": ([*ASKED, user(text("Well?"))], TOOLS, "messages[2].content"),
    "two tool uses with one id": (
        [ASKED[0], assistant(tool_use("t1"), tool_use("t1")), user(tool_result("t1"))],
        TOOLS,
        "messages[1].content[1].toolUse.toolUseId",
    ),
    "a blank text of the user": ([user(text(" \n"))], None, "messages[0].content[0].text"),
    "six documents": (
        [
            user(
                text("Compare"),
                *[{"document": {"name": f"d{n}", "source": {"text": "x"}}} for n in range(6)],
            )
        ],
        None,
        "messages",
    ),
}
WAYS: dict[str, Callable[..., Any]] = {
    "converse": LLMManager.converse,
    "converse_stream": LLMManager.converse_stream,
    "converse_with_request": lambda manager, messages, **fields: manager.converse_with_request(
        BedrockConverseRequest(messages=messages, **fields)
    ),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize(("messages", "tools", "field"), REJECTED.values(), ids=REJECTED)
def test_a_conversation_that_every_model_rejects_is_rejected_by_its_field_before_any_call(
    fake_bedrock: FakeBedrock, make_manager, messages: list[Json], tools: Json | None, field: str, way: Any
) -> None:
    with pytest.raises(RequestValidationError) as raised:
        way(make_manager(("Nova Lite", "Claude Haiku 4.5")), messages, tool_config=tools)
    assert raised.value.invalid_fields == [field]
    assert raised.value.response is None
    assert not fake_bedrock.calls


def test_a_tool_loop_that_converse_accepts_is_sent_as_it_is(fake_bedrock: FakeBedrock, make_manager) -> None:
    messages = [
        user(text("How warm is it in Lima and Cusco?")),
        assistant(text("I look it up."), tool_use("t1"), tool_use("t2")),
        user(tool_result("t2"), tool_result("t1")),
    ]
    assert make_manager().converse(messages, tool_config=TOOLS).success
    assert fake_bedrock.calls[0].body["messages"] == messages


def test_an_assistant_message_at_the_end_is_left_to_the_model(
    fake_bedrock: FakeBedrock, make_manager
) -> None:
    messages = [user(text("Count to three.")), assistant(text("One, two,"))]
    assert make_manager().converse(messages).success
    assert fake_bedrock.calls[0].body["messages"] == messages
