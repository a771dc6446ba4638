"""Requests of the Responses API and answers against FakeBedrock, through the library."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from lambdas.streaming_api.api_error import api_error
from lambdas.streaming_api.json_answer import answer_validation
from lambdas.streaming_api.responses.answer import response_object
from lambdas.streaming_api.responses.request import ResponsesRequest, read_responses_request
from lambdas.streaming_api.responses.stream import response_events
from llmmanager import LLMManager, RequestValidationError, RetryExhaustedError
from llmmanager.testing import FakeBedrock, Fault

HAIKU = "anthropic.claude-haiku-4-5-20251001-v1:0"
# FakeBedrock calls a tool that it may choose if the prompt has a word of the tool's name.
ASK = "Write a report about the weather in Lima."
WEATHER = {
    "type": "function",
    "name": "weather",
    "parameters": {"type": "object", "properties": {}},
    "strict": False,
}
SERVER = {"type": "namespace", "name": "mcp__city", "description": "", "tools": [WEATHER]}
SCHEMA = {"type": "object", "properties": {"celsius": {"type": "number"}}, "required": ["celsius"]}
FORMAT = {"type": "json_schema", "name": "report", "schema": SCHEMA}


class Client:
    """Sends requests to one list of models, as the function behind the API does."""

    def __init__(self, *models: str) -> None:
        self.manager = LLMManager(list(models), ["us-east-1", "us-west-2"])
        self.model_ids = [self.manager._catalog.resolve(name).model_id for name in models]

    def read(self, given: Any = "Hello", **fields: Any) -> ResponsesRequest:
        body = {"model": self.model_ids[0], "input": given, **fields}
        return read_responses_request(body, model_ids=self.model_ids)

    def complete(self, given: Any = "Hello", **fields: Any) -> Any:
        request = self.read(given, **fields)
        response = self.manager.converse(
            **request.converse, response_validation_config=answer_validation(request)
        )
        assert response.success
        return response_object(request, response, id_="resp_1", created=7)

    def stream(self, given: Any = "Hello", **fields: Any) -> list[Any]:
        request = self.read(given, stream=True, **fields)
        with self.manager.converse_stream(**request.converse) as stream:
            return list(response_events(request, stream, id_="resp_1", created=7))


@pytest.fixture
def client(fake_bedrock: FakeBedrock) -> Callable[..., Client]:
    return Client


def text_of(response: Any) -> str:
    return "".join(
        part["text"] for item in response["output"] if item["type"] == "message" for part in item["content"]
    )


def test_a_complete_and_a_streamed_response_have_the_same_content(client: Callable[..., Client]) -> None:
    lite = client("Nova Lite")
    events = lite.stream()
    assert text_of(events[-1]["response"]) == text_of(lite.complete())
    assert events[-1]["type"] == "response.completed"
    assert events[-1]["response"]["usage"]["output_tokens"] > 0
    assert len([event for event in events if event["type"] == "response.output_text.delta"]) > 4


@pytest.mark.parametrize("model", ["Nova Lite", "Claude Haiku 4.5"])
def test_an_answer_for_a_schema_is_json_with_and_without_support_for_it(
    client: Callable[..., Client], model: str
) -> None:
    response = client(model).complete(ASK, text={"format": FORMAT})
    assert "celsius" in json.loads(text_of(response))
    events = client(model).stream(ASK, text={"format": FORMAT})
    assert "celsius" in json.loads(text_of(events[-1]["response"]))


@pytest.mark.parametrize("is_streamed", [False, True])
def test_reasoning_survives_a_loop_of_function_calls(
    client: Callable[..., Client], fake_bedrock: FakeBedrock, is_streamed: bool
) -> None:
    haiku = client("Claude Haiku 4.5")
    fields = {"tools": [SERVER], "reasoning": {"effort": "low"}, "store": False}
    first = haiku.stream(ASK, **fields)[-1]["response"] if is_streamed else haiku.complete(ASK, **fields)
    reasoning, call = first["output"]
    assert reasoning["encrypted_content"]
    assert (call["namespace"], call["name"]) == (SERVER["name"], "weather")
    result = {"type": "function_call_output", "call_id": call["call_id"], "output": "19 degrees"}
    question = {"role": "user", "content": ASK}
    second = haiku.complete([question, *first["output"], result], **fields)
    assert "19 degrees" in text_of(second)
    assert [call.status for call in fake_bedrock.calls] == [200, 200]
    content = fake_bedrock.calls[-1].body["messages"][1]["content"]
    assert content[0]["reasoningContent"]["reasoningText"]["signature"]
    assert fake_bedrock.calls[-1].body["additionalModelRequestFields"]["thinking"]["type"] == "enabled"


def test_a_request_fails_over_to_a_model_without_reasoning(
    client: Callable[..., Client], fake_bedrock: FakeBedrock
) -> None:
    fake_bedrock.deny("anthropic.claude-sonnet-5")
    response = client("Claude Sonnet 5", "Nova Lite").complete(reasoning={"effort": "high"})
    assert response["model"] == "amazon.nova-lite-v1:0"
    assert text_of(response)


def test_an_answer_that_is_too_long_is_incomplete(client: Callable[..., Client]) -> None:
    lite = client("Nova Lite")
    assert lite.complete(ASK, max_output_tokens=3)["status"] == "incomplete"
    last = lite.stream(ASK, max_output_tokens=3)[-1]
    assert last["type"] == "response.incomplete"
    assert last["response"]["incomplete_details"] == {"reason": "max_output_tokens"}


def test_a_stream_that_is_lost_for_good_fails(
    client: Callable[..., Client], fake_bedrock: FakeBedrock
) -> None:
    lite = client("Nova Lite")
    fake_bedrock.add_fault(Fault(error="ModelStreamErrorException", after_chunks=4))
    last = lite.stream()[-1]
    assert (last["type"], last["response"]["error"]["code"]) == ("response.failed", "server_error")
    assert text_of(last["response"])


def test_a_stream_that_continues_on_another_target_is_one_message(
    client: Callable[..., Client], fake_bedrock: FakeBedrock
) -> None:
    lite = client("Nova Lite")
    fake_bedrock.add_fault(Fault(error="ModelStreamErrorException", after_chunks=4, count=1))
    events = lite.stream(ASK)
    assert events[-1]["type"] == "response.completed"
    assert len(events[-1]["response"]["output"]) == 1
    deltas = [event["delta"] for event in events if event["type"] == "response.output_text.delta"]
    assert "".join(deltas) == text_of(events[-1]["response"])
    assert len(fake_bedrock.calls) == 2


def test_a_request_that_is_too_long_is_named_by_the_clients_field(
    client: Callable[..., Client], fake_bedrock: FakeBedrock
) -> None:
    lite = client("Nova Lite")
    fake_bedrock.add_fault(Fault(error="ValidationException", message="Input is too long."))
    request = lite.read()
    with pytest.raises(RetryExhaustedError) as rejected:
        lite.manager.converse(**request.converse)
    found = api_error(rejected.value, reference="request-1", origins=request.origins)
    assert (found.code, found.param) == ("context_length_exceeded", "input")


def test_a_file_that_exceeds_a_limit_is_named_by_the_clients_path(client: Callable[..., Client]) -> None:
    file = {"type": "input_file", "file_data": "aGVsbG8=", "filename": "a.txt"}
    haiku = client("Claude Haiku 4.5")
    text = {"type": "input_text", "text": "Read"}
    request = haiku.read([{"role": "user", "content": [text, *[file] * 6]}])
    with pytest.raises(RequestValidationError) as rejected:
        haiku.manager.converse(**request.converse)
    found = api_error(rejected.value, reference="request-1", origins=request.origins)
    assert (found.status, found.param) == (400, "input")
    assert "at most 5 documents" in found.message
