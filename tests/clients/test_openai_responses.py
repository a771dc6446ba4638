"""The Responses API with OpenAI's Python client."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest
from pydantic import BaseModel

from llmmanager.testing import FakeBedrock, Fault
from tests.clients.files import PDF, PNG, data_url

HAIKU, LITE = "Claude Haiku 4.5", "Nova Lite"
QUESTION = "What is the weather in Lima, and what does the clock say?"
LONG_NAME = "mcp__world_clock__" + "read_" * 15


class Weather(BaseModel):
    city: str
    celsius: float


def tool(name: str) -> Any:
    parameters = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    return {"type": "function", "name": name, "parameters": parameters, "strict": False}


TOOLS: Any = [tool("get_weather"), tool(LONG_NAME)]


def test_a_response_has_the_text_the_usage_and_the_model(
    openai_client: openai.OpenAI, bedrock: FakeBedrock
) -> None:
    response = openai_client.responses.create(
        model=HAIKU, instructions="Be brief.", input="Tell me about bees", temperature=0.5, top_p=0.9
    )
    (call,) = bedrock.calls
    assert "bees" in response.output_text
    assert (response.status, response.model) == ("completed", call.model_id)
    assert call.usage is not None
    assert response.usage is not None
    assert response.usage.total_tokens == call.usage["totalTokens"]
    assert call.body["inferenceConfig"] == {"temperature": 0.5}


def test_the_events_of_a_stream_are_numbered_and_end_with_the_whole_response(
    openai_client: openai.OpenAI,
) -> None:
    with openai_client.responses.create(model=LITE, input="Tell me about bees", stream=True) as stream:
        events: list[Any] = list(stream)
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert (events[0].type, events[-1].type) == ("response.created", "response.completed")
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert text == events[-1].response.output_text


def test_the_clients_own_accumulation_of_a_stream_is_the_whole_response(openai_client: openai.OpenAI) -> None:
    with openai_client.responses.stream(model=LITE, input=QUESTION, tools=TOOLS) as stream:
        response = stream.get_final_response()
    calls = [item for item in response.output if item.type == "function_call"]
    assert [call.name for call in calls] == ["get_weather", LONG_NAME]
    assert all(json.loads(call.arguments)["city"] for call in calls)


def test_the_clients_own_accumulation_of_a_lost_stream_is_an_error(
    openai_client: openai.OpenAI, failing: FakeBedrock
) -> None:
    failing.add_fault(Fault(error="modelStreamErrorException", after_chunks=5))
    with (
        openai_client.responses.stream(model=LITE, input="Tell me about bees") as stream,
        pytest.raises(RuntimeError, match=r"response\.completed"),
    ):
        stream.get_final_response()


@pytest.mark.parametrize(
    ("model", "fields"), [(LITE, {}), (HAIKU, {"reasoning": {"effort": "low", "summary": "auto"}})]
)
def test_a_loop_of_parallel_tool_calls_without_stored_responses_has_both_results(
    openai_client: openai.OpenAI, bedrock: FakeBedrock, model: str, fields: dict[str, Any]
) -> None:
    messages: list[Any] = [{"role": "user", "content": QUESTION}]

    def ask() -> Any:
        return openai_client.responses.create(
            model=model,
            input=messages,
            tools=TOOLS,
            store=False,
            include=["reasoning.encrypted_content"],
            **fields,
        )

    asked = ask()
    calls = [item for item in asked.output if item.type == "function_call"]
    assert [call.name for call in calls] == ["get_weather", LONG_NAME]
    assert ("reasoning" in [item.type for item in asked.output]) is bool(fields)
    messages += asked.output
    for call, text in zip(calls, ("sunny", "noon"), strict=True):
        messages.append({"type": "function_call_output", "call_id": call.call_id, "output": text})
    answer = ask().output_text
    assert "sunny" in answer
    assert "noon" in answer
    turns = bedrock.calls[-1].body["messages"]
    assert [turn["role"] for turn in turns] == ["user", "assistant", "user"]
    assert [list(block) for block in turns[2]["content"]] == [["toolResult"], ["toolResult"]]


@pytest.mark.parametrize("model", [HAIKU, LITE])
def test_a_response_is_parsed_into_a_class(openai_client: openai.OpenAI, model: str) -> None:
    response = openai_client.responses.parse(model=model, input="How warm is Lima?", text_format=Weather)
    assert isinstance(response.output_parsed, Weather)


def test_a_streamed_response_is_parsed_into_a_class(openai_client: openai.OpenAI) -> None:
    with openai_client.responses.stream(model=LITE, input="How warm is Lima?", text_format=Weather) as stream:
        assert isinstance(stream.get_final_response().output_parsed, Weather)


def test_images_and_pdf_files_are_sent_as_such(openai_client: openai.OpenAI, bedrock: FakeBedrock) -> None:
    parts: Any = [
        {"type": "input_text", "text": "Summarize these."},
        {"type": "input_image", "image_url": data_url(PNG, "image/jpg"), "detail": "auto"},
        {"type": "input_file", "filename": "report.pdf", "file_data": data_url(PDF, "application/pdf")},
    ]
    openai_client.responses.create(model=LITE, input=[{"role": "user", "content": parts}])
    (call,) = bedrock.calls
    _, image, document = call.body["messages"][0]["content"]
    assert (image["image"]["format"], document["document"]["format"]) == ("png", "pdf")


def test_a_repeated_request_with_an_idempotency_key_is_paid_for_once(
    openai_client: openai.OpenAI, bedrock: FakeBedrock
) -> None:
    headers = {"Idempotency-Key": "a-response"}
    first, second = (
        openai_client.responses.create(model=LITE, input="Hello", extra_headers=headers) for _ in range(2)
    )
    assert first == second
    assert len(bedrock.calls) == 1


@pytest.mark.parametrize(
    ("fields", "param"),
    [({"previous_response_id": "resp_1"}, "previous_response_id"), ({"temperature": 1.5}, "temperature")],
)
def test_an_invalid_field_is_a_bad_request_that_names_it(
    openai_client: openai.OpenAI, bedrock: FakeBedrock, fields: dict[str, Any], param: str
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        openai_client.responses.create(model=LITE, input="Hello", **fields)
    assert caught.value.param == param
    assert not bedrock.calls
