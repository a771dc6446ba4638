"""A conversation with a manager."""

from __future__ import annotations

import asyncio

import pytest

from llmmanager import Conversation, RetryExhaustedError, ValidationResult
from llmmanager.bedrock.models.llm_manager_structures import ResponseValidationConfig
from llmmanager.testing import FakeBedrock, Fault
from tests.waiting import wait_until


def test_each_request_has_the_turns_before(fake_bedrock: FakeBedrock, make_manager) -> None:
    conversation = Conversation("You are a geographer.")
    manager = make_manager()
    first = conversation.send(manager, "What is the capital of Peru?", inference_config={"maxTokens": 50})
    second = conversation.send(manager, "How many people live there?")
    assert first.success
    assert second.success
    assert [message["role"] for message in conversation.messages] == ["user", "assistant"] * 2
    sent = fake_bedrock.calls[-1].body
    assert sent["messages"] == conversation.messages[:3]
    assert sent["system"] == [{"text": "You are a geographer."}]
    assert fake_bedrock.calls[0].body["inferenceConfig"] == {"maxTokens": 50}


def test_a_tool_is_called_and_its_result_is_sent(fake_bedrock: FakeBedrock, make_manager) -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    tools = {"tools": [{"toolSpec": {"name": "get_weather", "inputSchema": {"json": schema}}}]}
    conversation = Conversation(tool_config=tools)
    manager = make_manager()
    asked = conversation.send(manager, "What is the weather in Lima?")
    assert asked.has_tool_use()
    for call in conversation.get_open_tool_uses():
        conversation.add_tool_result(call.tool_use_id, {"celsius": 19})
    answer = conversation.send(manager)
    assert "19" in str(answer.get_content())
    assert [message["role"] for message in conversation.messages] == ["user", "assistant"] * 2


def test_a_failed_call_changes_nothing(fake_bedrock: FakeBedrock, make_manager) -> None:
    conversation = Conversation()
    manager = make_manager()
    conversation.send(manager, "Hello")
    before = conversation.messages
    fake_bedrock.add_fault(Fault(error="AccessDeniedException"))
    with pytest.raises(RetryExhaustedError):
        conversation.send(manager, "Are you there?")
    assert conversation.messages == before


def test_an_invalid_answer_changes_nothing(fake_bedrock: FakeBedrock, make_manager) -> None:
    conversation = Conversation()
    never = ResponseValidationConfig(lambda _: ValidationResult(False, "no"), response_validation_retries=0)
    response = conversation.send(make_manager(), "Hello", response_validation_config=never)
    assert not response.success
    assert conversation.messages == []


def test_a_conversation_is_sent_in_an_event_loop(fake_bedrock: FakeBedrock, make_manager) -> None:
    conversation = Conversation("Be brief.")
    manager = make_manager()

    async def main() -> None:
        await conversation.asend(manager, "Hello", inference_config={"maxTokens": 50})
        assert (await conversation.asend(manager, "Are you there?")).success

    asyncio.run(main())
    assert [message["role"] for message in conversation.messages] == ["user", "assistant"] * 2
    assert fake_bedrock.calls[-1].body["messages"] == conversation.messages[:3]


def test_a_cancelled_call_changes_nothing(fake_bedrock: FakeBedrock, make_manager) -> None:
    conversation = Conversation(messages="Hello")
    fake_bedrock.add_fault(Fault(hang=True))

    async def main() -> None:
        task = asyncio.create_task(conversation.asend(make_manager(), "Are you there?"))
        await asyncio.to_thread(wait_until, lambda: fake_bedrock.in_flight)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert conversation.messages == [{"role": "user", "content": [{"text": "Hello"}]}]


def test_the_manager_counts_the_tokens_for_trimming(fake_bedrock: FakeBedrock, make_manager) -> None:
    conversation = Conversation("Be brief.")
    manager = make_manager(models=("Claude Haiku 4.5",))
    for number in range(4):
        conversation.send(manager, f"Question {number}: " + "word " * 50)
    whole = manager.count_tokens(conversation.messages, conversation.system).input_tokens
    assert conversation.trim(manager.count_tokens) == 0
    assert conversation.trim(manager.count_tokens, max_input_tokens=whole - 1) == 2
    assert conversation.send(manager, "And now?").success
