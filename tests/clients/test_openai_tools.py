"""Tool calls with OpenAI's Python client and Chat Completions.

FakeBedrock calls each tool of whose name the prompt has a word.
"""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletionMessage
from pydantic import BaseModel

from llmmanager.testing import FakeBedrock

HAIKU, LITE = "Claude Haiku 4.5", "Nova Lite"
QUESTION = {"role": "user", "content": "What is the weather in Lima, and what does the clock say?"}
# Longer than the 64 characters that Converse accepts, and with characters that it rejects.
LONG_NAME = "mcp__world.clock__" + "read_" * 15


def tool(name: str) -> Any:
    parameters = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    return {"type": "function", "function": {"name": name, "parameters": parameters}}


TOOLS: Any = [tool("get_weather"), tool(LONG_NAME)]


def streamed_calls(chunks: list[Any]) -> dict[int, dict[str, str]]:
    """Return the tool calls of a stream by their index."""
    calls: dict[int, dict[str, str]] = {}
    for chunk in chunks:
        for choice in chunk.choices:
            for piece in choice.delta.tool_calls or ():
                call = calls.setdefault(piece.index, {"id": "", "name": "", "arguments": ""})
                call["id"] += piece.id or ""
                call["name"] += piece.function.name or ""
                call["arguments"] += piece.function.arguments or ""
    return calls


@pytest.mark.parametrize(("model", "fields"), [(LITE, {}), (HAIKU, {"reasoning_effort": "low"})])
def test_parallel_tool_calls_of_a_stream_have_the_indices_0_and_1_behind_text_and_reasoning(
    openai_client: openai.OpenAI, model: str, fields: dict[str, Any]
) -> None:
    with openai_client.chat.completions.create(
        model=model, messages=[QUESTION], tools=TOOLS, stream=True, **fields
    ) as stream:
        chunks = list(stream)
    calls = streamed_calls(chunks)
    assert list(calls) == [0, 1]
    assert [call["name"] for call in calls.values()] == ["get_weather", LONG_NAME]
    assert all(json.loads(call["arguments"])["city"] for call in calls.values())
    assert len({call["id"] for call in calls.values()}) == 2
    assert chunks[-1].choices[0].finish_reason == "tool_calls"
    deltas = [choice.delta for chunk in chunks for choice in chunk.choices]
    assert "".join(delta.content or "" for delta in deltas)
    reasoning = "".join(getattr(delta, "reasoning_content", None) or "" for delta in deltas)
    assert bool(reasoning) is bool(fields)


@pytest.mark.parametrize(("model", "fields"), [(LITE, {}), (HAIKU, {"reasoning_effort": "low"})])
def test_a_loop_of_parallel_tool_calls_ends_with_an_answer_that_has_both_results(
    openai_client: openai.OpenAI, bedrock: FakeBedrock, model: str, fields: dict[str, Any]
) -> None:
    def ask(*messages: Any) -> ChatCompletionMessage:
        answer = openai_client.chat.completions.create(
            model=model, messages=[QUESTION, *messages], tools=TOOLS, **fields
        )
        return answer.choices[0].message

    asked = ask()
    assert asked.tool_calls is not None
    results = [
        {"role": "tool", "tool_call_id": call.id, "content": text}
        for call, text in zip(asked.tool_calls, ("sunny", "noon"), strict=True)
    ]
    answer = ask(asked.model_dump(exclude_none=True), *results)
    assert "sunny" in (answer.content or "")
    assert "noon" in (answer.content or "")
    turns = bedrock.calls[-1].body["messages"]
    assert [turn["role"] for turn in turns] == ["user", "assistant", "user"]
    assert [list(block) for block in turns[2]["content"]] == [["toolResult"], ["toolResult"]]


@pytest.mark.parametrize("blank", ["", " \n", None])
@pytest.mark.parametrize("model", [LITE, HAIKU])
def test_blank_text_beside_tool_calls_and_ids_of_any_length_are_accepted(
    openai_client: openai.OpenAI, bedrock: FakeBedrock, model: str, blank: str | None
) -> None:
    long_id = "call|" + "0123456789" * 10
    calls: Any = [
        {"id": id_, "type": "function", "function": {"name": name, "arguments": '{"city": "Lima"}'}}
        for id_, name in ((long_id, "get_weather"), (f"{long_id}+", LONG_NAME))
    ]
    answer = openai_client.chat.completions.create(
        model=model,
        messages=[
            QUESTION,
            {"role": "assistant", "content": blank, "tool_calls": calls},
            {"role": "tool", "tool_call_id": long_id, "content": "sunny"},
            {"role": "tool", "tool_call_id": f"{long_id}+", "content": ""},
        ],
        tools=TOOLS,
    )
    assert "sunny" in (answer.choices[0].message.content or "")
    (call,) = bedrock.calls
    blocks = call.body["messages"][1]["content"]
    assert [list(block) for block in blocks] == [["toolUse"], ["toolUse"]]
    assert all(len(block["toolUse"][name]) <= 64 for block in blocks for name in ("name", "toolUseId"))


def test_a_tool_that_is_a_class_gets_parsed_arguments(openai_client: openai.OpenAI) -> None:
    class GetWeather(BaseModel):
        city: str
        days: int

    answer = openai_client.chat.completions.parse(
        model=LITE, messages=[QUESTION], tools=[openai.pydantic_function_tool(GetWeather)]
    )
    calls = answer.choices[0].message.tool_calls
    assert calls is not None
    assert isinstance(calls[0].function.parsed_arguments, GetWeather)


def test_the_clients_own_accumulation_of_a_stream_has_both_tool_calls(openai_client: openai.OpenAI) -> None:
    with openai_client.chat.completions.stream(model=LITE, messages=[QUESTION], tools=TOOLS) as stream:
        answer = stream.get_final_completion()
    calls = answer.choices[0].message.tool_calls
    assert calls is not None
    assert [call.function.name for call in calls] == ["get_weather", LONG_NAME]


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": LONG_NAME}}])
def test_a_tool_call_can_be_demanded(openai_client: openai.OpenAI, choice: Any) -> None:
    answer = openai_client.chat.completions.create(
        model=LITE, messages=[{"role": "user", "content": "Hello"}], tools=TOOLS, tool_choice=choice
    )
    assert answer.choices[0].message.tool_calls


@pytest.mark.parametrize("model", [LITE, HAIKU])
def test_one_tool_call_at_a_time_can_be_demanded(openai_client: openai.OpenAI, model: str) -> None:
    answer = openai_client.chat.completions.create(
        model=model, messages=[QUESTION], tools=TOOLS, parallel_tool_calls=False
    )
    assert len(answer.choices[0].message.tool_calls or ()) == 1
