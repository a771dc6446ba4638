"""Chat Completions requests and answers against FakeBedrock, through the library."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from lambdas.streaming_api.api_error import api_error
from lambdas.streaming_api.chat_completions.answer import completion
from lambdas.streaming_api.chat_completions.request import ChatRequest, read_chat_request
from lambdas.streaming_api.chat_completions.stream import completion_chunks
from lambdas.streaming_api.json_answer import answer_validation
from llmmanager import LLMManager, RequestValidationError
from llmmanager.testing import FakeBedrock, Fault

HAIKU = "anthropic.claude-haiku-4-5-20251001-v1:0"
HELLO = {"role": "user", "content": "Hello"}
# FakeBedrock calls a tool that it may choose if the prompt has a word of the tool's name.
ASK = {"role": "user", "content": "Write a report about the weather in Lima."}
WEATHER = {
    "type": "function",
    "function": {"name": "mcp__" + "weather__" * 10, "parameters": {"type": "object", "properties": {}}},
}
SCHEMA = {"type": "object", "properties": {"celsius": {"type": "number"}}, "required": ["celsius"]}
FORMAT = {"type": "json_schema", "json_schema": {"name": "report", "schema": SCHEMA}}


class Client:
    """Sends requests to one list of models, as the function behind the API does."""

    def __init__(self, *models: str) -> None:
        self.manager = LLMManager(list(models), ["us-east-1", "us-west-2"])
        self.model_ids = [self.manager._catalog.resolve(name).model_id for name in models]

    def read(self, *messages: Any, **fields: Any) -> ChatRequest:
        body = {"model": self.model_ids[0], "messages": list(messages or [HELLO]), **fields}
        return read_chat_request(body, model_ids=self.model_ids)

    def complete(self, *messages: Any, **fields: Any) -> Any:
        request = self.read(*messages, **fields)
        response = self.manager.converse(
            **request.converse, response_validation_config=answer_validation(request)
        )
        assert response.success
        return completion(request, response, id_="chatcmpl-1", created=7)

    def stream(self, *messages: Any, **fields: Any) -> list[Any]:
        request = self.read(*messages, stream=True, **fields)
        with self.manager.converse_stream(**request.converse) as stream:
            return list(completion_chunks(request, stream, id_="chatcmpl-1", created=7))


@pytest.fixture
def client(fake_bedrock: FakeBedrock) -> Callable[..., Client]:
    return Client


def message_of(answer: Any) -> Any:
    return answer["choices"][0]["message"]


def content_of(chunks: list[Any]) -> str:
    return "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks if chunk["choices"])


def test_a_complete_and_a_streamed_answer_have_the_same_content(client: Callable[..., Client]) -> None:
    lite = client("Nova Lite")
    chunks = lite.stream(stream_options={"include_usage": True})
    assert content_of(chunks) == message_of(lite.complete())["content"]
    assert chunks[-2]["choices"][0]["finish_reason"] == "stop"
    assert chunks[-1]["usage"]["completion_tokens"] > 0
    assert len(chunks) > 4


@pytest.mark.parametrize(
    "model", ["Nova Lite", "Claude Haiku 4.5", "Llama 3.3 70B Instruct", "Claude Opus 5.5"]
)
def test_an_answer_for_a_schema_is_json_with_every_model(client: Callable[..., Client], model: str) -> None:
    answer = client(model).complete(ASK, response_format=FORMAT)
    assert isinstance(json.loads(message_of(answer)["content"])["celsius"], int | float)
    assert answer["choices"][0]["finish_reason"] == "stop"
    assert "tool_calls" not in message_of(answer)


def test_a_model_that_thinks_answers_for_a_schema(client: Callable[..., Client]) -> None:
    # Claude rejects a forced call of a tool while it thinks.
    answer = client("Claude Sonnet 4").complete(ASK, response_format=FORMAT, reasoning_effort="low")
    assert "celsius" in json.loads(message_of(answer)["content"])
    assert message_of(answer)["reasoning_details"]


def test_one_tool_call_at_a_time_fails_over_to_a_model_without_it(
    client: Callable[..., Client], fake_bedrock: FakeBedrock
) -> None:
    haiku = client("Claude Haiku 4.5", "Nova Lite")
    for tool_choice in ("auto", "required"):
        answer = haiku.complete(ASK, tools=[WEATHER], tool_choice=tool_choice, parallel_tool_calls=False)
        assert message_of(answer)["tool_calls"]
    fake_bedrock.deny(HAIKU)
    answer = haiku.complete(ASK, tools=[WEATHER], parallel_tool_calls=False)
    assert (answer["model"], len(message_of(answer)["tool_calls"])) == ("amazon.nova-lite-v1:0", 1)


def test_an_answer_for_a_schema_fails_over_to_a_model_without_support_for_it(
    client: Callable[..., Client], fake_bedrock: FakeBedrock
) -> None:
    fake_bedrock.deny(HAIKU)
    answer = client("Claude Haiku 4.5", "Nova Lite").complete(response_format=FORMAT)
    assert answer["model"] == "amazon.nova-lite-v1:0"
    assert "celsius" in json.loads(message_of(answer)["content"])


def test_a_streamed_answer_for_a_schema_is_json(client: Callable[..., Client]) -> None:
    chunks = client("Nova Lite").stream(response_format=FORMAT)
    assert "celsius" in json.loads(content_of(chunks))
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"


def test_an_effort_of_reasoning_fails_over_to_a_model_without_it(
    client: Callable[..., Client], fake_bedrock: FakeBedrock
) -> None:
    fake_bedrock.deny("anthropic.claude-sonnet-5")
    answer = client("Claude Sonnet 5", "Nova Lite").complete(reasoning_effort="high")
    assert answer["model"] == "amazon.nova-lite-v1:0"
    assert message_of(answer)["content"]


def test_reasoning_survives_a_loop_of_tool_calls(
    client: Callable[..., Client], fake_bedrock: FakeBedrock
) -> None:
    haiku = client("Claude Haiku 4.5")
    fields = {"tools": [WEATHER], "reasoning_effort": "low", "temperature": 1}
    first = haiku.complete(ASK, **fields)
    message = message_of(first)
    assert first["choices"][0]["finish_reason"] == "tool_calls"
    assert message["tool_calls"][0]["function"]["name"] == WEATHER["function"]["name"]
    assert message["reasoning_details"][0]["signature"]
    result = {"role": "tool", "tool_call_id": message["tool_calls"][0]["id"], "content": "19 degrees"}
    second = haiku.complete(ASK, message, result, **fields)
    assert "19 degrees" in message_of(second)["content"]
    assert all(call.status == 200 for call in fake_bedrock.calls)
    assert [call.body["additionalModelRequestFields"]["thinking"]["type"] for call in fake_bedrock.calls] == [
        "enabled",
        "enabled",
    ]


def test_temperature_and_top_p_together_are_accepted_at_once(
    client: Callable[..., Client], fake_bedrock: FakeBedrock
) -> None:
    client("Claude Haiku 4.5").complete(temperature=0.2, top_p=0.9)
    assert len(fake_bedrock.calls) == 1


def test_an_answer_that_is_not_a_json_object_is_requested_once_more(
    client: Callable[..., Client],
    fake_bedrock: FakeBedrock,
    answer_with: Callable[[Any], None],
) -> None:
    answer_with(lambda call: "Sure!" if len(fake_bedrock.calls) == 1 else '{"a": 1}')
    answer = client("Nova Lite").complete(response_format={"type": "json_object"})
    assert json.loads(message_of(answer)["content"]) == {"a": 1}
    assert len(fake_bedrock.calls) == 2


def test_a_stream_that_is_lost_for_good_ends_with_an_error(
    client: Callable[..., Client], fake_bedrock: FakeBedrock
) -> None:
    lite = client("Nova Lite")
    fake_bedrock.add_fault(Fault(error="ModelStreamErrorException", after_chunks=4))
    chunks = lite.stream()
    assert chunks[-1]["error"]["code"] == "stream_interrupted"
    assert content_of(chunks[:-1])


def test_a_file_that_exceeds_a_limit_is_named_by_the_clients_path(client: Callable[..., Client]) -> None:
    text = {"type": "text", "text": "Read"}
    files = [{"type": "file", "file": {"file_data": "aGVsbG8=", "filename": "a.txt"}} for _ in range(6)]
    haiku = client("Claude Haiku 4.5")
    request = haiku.read({"role": "user", "content": [text, *files]})
    with pytest.raises(RequestValidationError) as rejected:
        haiku.manager.converse(**request.converse)
    found = api_error(rejected.value, reference="request-1", origins=request.origins)
    assert (found.status, found.param) == (400, "messages")
    assert "at most 5 documents" in found.message
