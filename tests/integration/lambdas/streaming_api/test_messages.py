"""Messages requests and answers against FakeBedrock, through the library."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from lambdas.streaming_api.api_error import api_error
from lambdas.streaming_api.json_answer import answer_validation
from lambdas.streaming_api.messages.answer import message
from lambdas.streaming_api.messages.request import MessagesRequest, read_messages_request
from lambdas.streaming_api.messages.stream import message_events
from llmmanager import LLMManager, RequestValidationError
from llmmanager.testing import FakeBedrock, Fault

HELLO = {"role": "user", "content": "Hello"}
# FakeBedrock calls a tool that it may choose if the prompt has a word of the tool's name.
ASK = {"role": "user", "content": "Write about the weather in Lima, as JSON."}
WEATHER = {
    "name": "mcp__" + "weather__" * 10,
    "input_schema": {"type": "object", "properties": {}},
}
SCHEMA = {"type": "object", "properties": {"celsius": {"type": "number"}}, "required": ["celsius"]}
FORMAT = {"format": {"type": "json_schema", "schema": SCHEMA}}


class Client:
    """Sends requests to one list of models, as the function behind the API does."""

    def __init__(self, *models: str) -> None:
        self.manager = LLMManager(list(models), ["us-east-1", "us-west-2"])
        self.model_ids = [self.manager._catalog.resolve(name).model_id for name in models]

    def read(self, *messages: Any, betas: tuple[str, ...] = (), **fields: Any) -> MessagesRequest:
        body = {
            "model": self.model_ids[0],
            "max_tokens": 4000,
            "messages": list(messages or [HELLO]),
            **fields,
        }
        return read_messages_request(body, model_ids=self.model_ids, betas=betas)

    def complete(self, *messages: Any, **fields: Any) -> Any:
        request = self.read(*messages, **fields)
        response = self.manager.converse(
            **request.converse, response_validation_config=answer_validation(request)
        )
        assert response.success
        return message(request, response, id_="msg_1")

    def stream(self, *messages: Any, **fields: Any) -> list[Any]:
        request = self.read(*messages, stream=True, **fields)
        with self.manager.converse_stream(**request.converse) as stream:
            return [data for _, data in message_events(request, stream, id_="msg_1")]


@pytest.fixture
def client(fake_bedrock: FakeBedrock) -> Callable[..., Client]:
    return Client


def text_of(answer: Any) -> str:
    return "".join(block["text"] for block in answer["content"] if block["type"] == "text")


def streamed_text(events: list[Any]) -> str:
    return "".join(data["delta"].get("text", "") for data in events if data["type"] == "content_block_delta")


def test_a_complete_and_a_streamed_answer_have_the_same_content(client: Callable[..., Client]) -> None:
    lite = client("Nova Lite")
    answer, events = lite.complete(), lite.stream()
    assert streamed_text(events) == text_of(answer)
    assert answer["stop_reason"] == events[-2]["delta"]["stop_reason"] == "end_turn"
    assert answer["usage"] == events[-2]["usage"]
    assert answer["usage"]["output_tokens"] > 0
    assert [events[0]["type"], events[-1]["type"]] == ["message_start", "message_stop"]


@pytest.mark.parametrize(
    "model", ["Nova Lite", "Claude Haiku 4.5", "Llama 3.3 70B Instruct", "Claude Opus 5.5"]
)
def test_an_answer_for_a_schema_is_json_with_every_model(client: Callable[..., Client], model: str) -> None:
    answer = client(model).complete(ASK, output_config=FORMAT)
    assert isinstance(json.loads(text_of(answer))["celsius"], int | float)
    assert answer["stop_reason"] == "end_turn"
    assert [block["type"] for block in answer["content"]] == ["text"]


def test_a_streamed_answer_for_a_schema_is_json(client: Callable[..., Client]) -> None:
    events = client("Nova Lite").stream(output_config=FORMAT)
    assert "celsius" in json.loads(streamed_text(events))
    assert events[-2]["delta"]["stop_reason"] == "end_turn"


@pytest.mark.parametrize(
    "thinking", [{"type": "enabled", "budget_tokens": 2000}, {"type": "adaptive", "display": "summarized"}]
)
@pytest.mark.parametrize("model", ["Claude Haiku 4.5", "Claude Sonnet 4.6", "Claude Opus 5.5", "Nova 2 Lite"])
def test_each_form_of_thinking_is_accepted_at_once(
    client: Callable[..., Client], fake_bedrock: FakeBedrock, model: str, thinking: Any
) -> None:
    assert text_of(client(model).complete(thinking=thinking, output_config={"effort": "low"}))
    assert [call.status for call in fake_bedrock.calls] == [200]


def test_reasoning_survives_a_loop_of_tool_calls(
    client: Callable[..., Client], fake_bedrock: FakeBedrock
) -> None:
    haiku = client("Claude Haiku 4.5")
    fields = {
        "tools": [WEATHER],
        "thinking": {"type": "enabled", "budget_tokens": 2000},
        "betas": ("interleaved-thinking-2025-05-14",),
    }
    first = haiku.complete(ASK, **fields)
    thinking, call = first["content"]
    assert first["stop_reason"] == "tool_use"
    assert (thinking["type"], call["name"]) == ("thinking", WEATHER["name"])
    assert thinking["signature"]
    result = {"type": "tool_result", "tool_use_id": call["id"], "content": "19 degrees"}
    turns = [{"role": "assistant", "content": first["content"]}, {"role": "user", "content": [result]}]
    second = haiku.complete(ASK, *turns, **fields)
    assert "19 degrees" in text_of(second)
    assert [call.status for call in fake_bedrock.calls] == [200, 200]
    sent = fake_bedrock.calls[1].body
    assert sent["additionalModelRequestFields"]["anthropic_beta"] == ["interleaved-thinking-2025-05-14"]
    assert sent["messages"][1]["content"][0]["reasoningContent"]["reasoningText"] == {
        "text": thinking["thinking"],
        "signature": thinking["signature"],
    }


def test_an_error_of_a_tool_needs_no_message(client: Callable[..., Client]) -> None:
    haiku = client("Claude Haiku 4.5")
    call = haiku.complete(ASK, tools=[WEATHER], tool_choice={"type": "any"})["content"]
    result = {"type": "tool_result", "tool_use_id": call[0]["id"], "is_error": True}
    turns = [{"role": "assistant", "content": call}, {"role": "user", "content": [result]}]
    assert "error without a message" in text_of(haiku.complete(ASK, *turns, tools=[WEATHER]))


def test_the_signature_of_streamed_reasoning_is_whole(client: Callable[..., Client]) -> None:
    haiku, thinking = client("Claude Haiku 4.5"), {"type": "enabled", "budget_tokens": 2000}
    signature = haiku.complete(thinking=thinking)["content"][0]["signature"]
    deltas = [data["delta"] for data in haiku.stream(thinking=thinking) if "delta" in data]
    found = [delta["signature"] for delta in deltas if delta.get("type") == "signature_delta"]
    assert found == [signature]


def test_the_stop_sequence_that_ended_the_answer_is_reported(
    client: Callable[..., Client], answer_with: Callable[[Any], None]
) -> None:
    answer_with(lambda call: "one STOP two END")
    haiku, sequences = client("Claude Haiku 4.5"), ["END", "STOP"]
    answer = haiku.complete(stop_sequences=sequences)
    assert (answer["stop_reason"], answer["stop_sequence"]) == ("stop_sequence", "STOP")
    assert haiku.stream(stop_sequences=sequences)[-2]["delta"] == {
        "stop_reason": "stop_sequence",
        "stop_sequence": "STOP",
    }


def test_fields_of_claude_fail_over_to_a_model_without_them(
    client: Callable[..., Client], fake_bedrock: FakeBedrock
) -> None:
    fake_bedrock.deny("anthropic.claude-haiku-4-5-20251001-v1:0")
    answer = client("Claude Haiku 4.5", "Nova Lite").complete(
        ASK,
        tools=[WEATHER],
        tool_choice={"type": "auto", "disable_parallel_tool_use": True},
        thinking={"type": "enabled", "budget_tokens": 2000},
        top_k=5,
        cache_control={"type": "ephemeral"},
        betas=("interleaved-thinking-2025-05-14",),
    )
    assert answer["model"] == "amazon.nova-lite-v1:0"
    assert answer["stop_reason"] == "tool_use"


def test_cached_tokens_are_no_input_tokens(client: Callable[..., Client]) -> None:
    haiku = client("Claude Haiku 4.5")
    system = [{"type": "text", "text": "Rules. " * 4000, "cache_control": {"type": "ephemeral"}}]
    first, second = (haiku.complete(system=system)["usage"] for _ in range(2))
    assert first["cache_creation_input_tokens"] == second["cache_read_input_tokens"] > 4096
    assert first["cache_creation"]["ephemeral_5m_input_tokens"] == first["cache_creation_input_tokens"]
    assert first["input_tokens"] == second["input_tokens"] < 100


def test_a_stream_that_is_lost_for_good_ends_with_an_error(
    client: Callable[..., Client], fake_bedrock: FakeBedrock
) -> None:
    lite = client("Nova Lite")
    fake_bedrock.add_fault(Fault(error="ModelStreamErrorException", after_chunks=4))
    events = lite.stream()
    assert events[-1]["error"]["type"] == "overloaded_error"
    assert streamed_text(events[:-1])
    assert "message_stop" not in {data["type"] for data in events}


def test_a_stream_that_breaks_continues_in_the_same_block(
    client: Callable[..., Client], fake_bedrock: FakeBedrock
) -> None:
    lite = client("Nova Lite")
    expected = text_of(lite.complete())
    fake_bedrock.add_fault(Fault(error="ModelStreamErrorException", after_chunks=4, region="us-east-1"))
    events = lite.stream()
    assert streamed_text(events).startswith(expected[:20])
    starts = [data["index"] for data in events if data["type"] == "content_block_start"]
    ends = [data["index"] for data in events if data["type"] == "content_block_stop"]
    assert starts == ends == list(range(len(starts)))
    assert events[-1]["type"] == "message_stop"


def test_a_file_that_exceeds_a_limit_is_named_by_the_clients_path(client: Callable[..., Client]) -> None:
    source = {"type": "text", "media_type": "text/plain", "data": "hello"}
    files = [{"type": "document", "source": source, "title": "a.txt"} for _ in range(6)]
    haiku = client("Claude Haiku 4.5")
    request = haiku.read({"role": "user", "content": [{"type": "text", "text": "Read"}, *files]})
    with pytest.raises(RequestValidationError) as rejected:
        haiku.manager.converse(**request.converse)
    found = api_error(rejected.value, reference="request-1", origins=request.origins)
    document = found.anthropic_document("request-1")["error"]
    assert document["type"] == "invalid_request_error"
    assert document["message"].startswith("messages: ")
    assert "at most 5 documents" in document["message"]
