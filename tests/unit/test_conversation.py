"""A conversation keeps its turns valid, also when the oldest are removed."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmmanager import BedrockResponse, ConfigurationError, RequestValidationError
from llmmanager.bedrock.models.converse_types import Message
from llmmanager.bedrock.models.token_count import InputTokenCount
from llmmanager.bedrock.validation.request_validation import validate_request
from llmmanager.conversation import Conversation

TOOLS: Any = {"tools": [{"toolSpec": {"name": "t", "inputSchema": {"json": {"type": "object"}}}}]}
CALL = {"toolUse": {"toolUseId": "t1", "name": "t", "input": {}}}
RESULT = {"toolResult": {"toolUseId": "t1", "content": [{"text": "19"}]}}


def user(*blocks: Any) -> Message:
    return {"role": "user", "content": list(blocks)}


def assistant(*blocks: Any) -> Message:
    return {"role": "assistant", "content": list(blocks)}


def answered(*blocks: Any, success: bool = True) -> BedrockResponse:
    return BedrockResponse(success, {"output": {"message": assistant(*blocks)}})


# A turn is a question, some tool calls with their results, and an answer.
TURNS = st.lists(st.integers(0, 3), min_size=1, max_size=8)


def history(calls_of_turns: list[int], *, with_answer: bool) -> list[Message]:
    messages: list[Message] = [{"role": "system", "content": [{"text": "Be brief."}]}]
    for number, calls in enumerate(calls_of_turns):
        messages.append(user({"text": f"Question {number}"}))
        for _ in range(calls):
            messages += [assistant(CALL), user(RESULT)]
        messages.append(assistant({"text": f"Answer {number}"}))
    return messages if with_answer else messages[:-1]


def sizes(messages: list[Message], system: Any, tool_config: Any) -> int:
    """Count each message as 10 tokens, and the system prompt as 5."""
    return 10 * len(messages) + (5 if system else 0)


@given(turns=TURNS, limit=st.integers(5, 300), with_answer=st.booleans())
def test_the_oldest_turns_are_removed_and_what_stays_is_valid_and_fits(
    turns: list[int], limit: int, with_answer: bool
) -> None:
    before = history(turns, with_answer=with_answer)
    conversation = Conversation("You are a geographer.", before, tool_config=TOOLS)
    counts = []

    def count(*arguments: Any) -> int:
        counts.append(sizes(*arguments))
        return counts[-1]

    last_turn = history([turns[-1]], with_answer=with_answer)
    if sizes(last_turn, True, None) > limit:
        with pytest.raises(RequestValidationError, match=f"at most {limit} input tokens"):
            conversation.trim(count, max_input_tokens=limit)
        assert conversation.messages == before
        return
    removed = conversation.trim(count, max_input_tokens=limit)
    kept = conversation.messages
    assert len(kept) == len(before) - removed
    assert sizes(kept, True, None) <= limit
    assert kept[0]["role"] == "system"
    assert kept[1:] == before[len(before) - len(kept) + 1 :]
    assert validate_request({"messages": kept, "toolConfig": TOOLS}) == []
    turn_of_kept = len(turns) - sum(m["role"] == "user" and "text" in m["content"][0] for m in kept)
    if removed:  # with one more turn, it would not fit
        assert sizes(kept, True, None) + 10 * (2 + 2 * turns[turn_of_kept - 1]) > limit
    assert len(counts) <= math.log2(len(turns)) + 2


def test_a_model_name_of_the_count_gives_the_limit() -> None:
    conversation = Conversation(None, history([0, 0, 0], with_answer=False))

    def count(messages: list[Message], system: Any, tools: Any) -> InputTokenCount:
        return InputTokenCount(50_000 * len(messages), False, "anthropic.claude-haiku-4-5-20251001-v1:0")

    assert conversation.trim(count) == 4  # of 6 messages; the context is 200,000 tokens
    with pytest.raises(RequestValidationError):
        conversation.trim(count, answer_tokens=150_000)


@pytest.mark.parametrize("counted", [7, InputTokenCount(7, True, "unknown.model")])
def test_an_unknown_context_is_an_error(counted: Any) -> None:
    with pytest.raises(ConfigurationError, match="max_input_tokens must be a number"):
        Conversation(None, [user({"text": "Hi"})]).trim(lambda *_: counted)


@pytest.mark.parametrize(
    ("part", "given"), [("", "a blank text"), (" \n", "a blank text"), (["a"], "list"), (None, "NoneType")]
)
def test_what_cannot_be_sent_is_not_added(part: Any, given: str) -> None:
    conversation = Conversation(messages="Hi")
    with pytest.raises(RequestValidationError, match=rf"content\[1\]: must be .* \(got {given}\)"):
        conversation.add_user("And?", part)
    assert conversation.messages == [user({"text": "Hi"})]


@pytest.mark.parametrize("arguments", [{"system": 5}, {"messages": 5}, {"messages": {"role": "user"}}])
def test_a_conversation_begins_with_texts_or_lists(arguments: dict[str, Any]) -> None:
    with pytest.raises(RequestValidationError, match="must be a text or a list"):
        Conversation(**arguments)


def test_tokens_are_not_counted_by_an_async_function() -> None:
    async def count(*counted: Any) -> int:
        return 1

    with pytest.raises(ConfigurationError, match="count must not be async"):
        Conversation(None, [user({"text": "Hi"})]).trim(count)  # type: ignore[arg-type]


def test_content_of_the_user_and_results_of_tools_are_one_message() -> None:
    conversation = Conversation(tool_config=TOOLS)
    conversation.add_user("How warm is it", {"text": "in Lima?"})
    conversation.add_response(answered(CALL))
    assert [call.tool_use_id for call in conversation.get_open_tool_uses()] == ["t1"]
    conversation.add_tool_result("t1", {"celsius": 19})
    conversation.add_user("In Fahrenheit, please.")
    assert conversation.get_open_tool_uses() == []
    assert conversation.messages == [
        user({"text": "How warm is it"}, {"text": "in Lima?"}),
        assistant(CALL),
        user(
            {"toolResult": {"toolUseId": "t1", "content": [{"json": {"celsius": 19}}]}},
            {"text": "In Fahrenheit, please."},
        ),
    ]
    assert validate_request({"messages": conversation.messages, "toolConfig": TOOLS}) == []


def test_a_result_must_belong_to_an_open_call() -> None:
    conversation = Conversation(None, "Hi", tool_config=TOOLS)
    with pytest.raises(RequestValidationError, match="none is open"):
        conversation.add_tool_result("t1", "19")
    conversation.add_response(answered(CALL))
    with pytest.raises(RequestValidationError, match=r"one of t1 \(got 't2'\)"):
        conversation.add_tool_result("t2", "19")
    conversation.add_tool_result("t1", "19")
    with pytest.raises(RequestValidationError, match="tool_use_id"):
        conversation.add_tool_result("t1", "20")
    assert conversation.messages == [user({"text": "Hi"}), assistant(CALL), user(RESULT)]


def test_content_of_the_user_is_not_empty() -> None:
    with pytest.raises(RequestValidationError, match="at least one"):
        Conversation().add_user()


@pytest.mark.parametrize("message", ["Hi", {"role": "user", "content": "Hi"}, {"content": [{"text": "Hi"}]}])
def test_a_message_has_a_role_and_blocks(message: Any) -> None:
    with pytest.raises(RequestValidationError, match=r"messages\[1\]: must be a dict with role and content"):
        Conversation(messages=[user({"text": "Hi"}), message])


def test_a_failed_tool_is_marked() -> None:
    conversation = Conversation(None, [user({"text": "Hi"}), assistant(CALL)])
    conversation.add_tool_result("t1", "No station.", is_error=True)
    block: Any = conversation.messages[-1]["content"][0]
    assert block["toolResult"]["status"] == "error"


def test_an_answer_follows_the_user_and_is_valid() -> None:
    conversation = Conversation("Be brief.")
    assert (conversation.system, conversation.tool_config) == ([{"text": "Be brief."}], None)
    assert conversation.get_open_tool_uses() == []
    with pytest.raises(ConfigurationError, match="must be of the user"):
        conversation.add_response(answered({"text": "Hi"}))
    conversation.add_user("Hi")
    with pytest.raises(ConfigurationError, match="success is False"):
        conversation.add_response(answered(success=False))
    assert len(conversation.messages) == 1


def test_given_messages_do_not_change() -> None:
    given = [user({"text": "Hi"})]
    conversation = Conversation([{"text": "Be brief."}], given)
    conversation.add_user("there")
    conversation.messages.clear()
    assert given == [user({"text": "Hi"})]
    assert conversation.messages == [user({"text": "Hi"}, {"text": "there"})]


def test_a_tool_that_bedrock_has_run_is_not_open() -> None:
    conversation = Conversation(None, [user({"text": "Hi"}), assistant(CALL, RESULT, {"text": "19"})])
    assert conversation.get_open_tool_uses() == []
