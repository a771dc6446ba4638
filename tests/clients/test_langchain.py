"""LangChain's ChatOpenAI, with Chat Completions and with the Responses API."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel

from llmmanager.testing import FakeBedrock
from tests.clients.served_api import ServedApi

HAIKU, LITE = "Claude Haiku 4.5", "Nova Lite"
QUESTION = "What is the weather in Lima, and what does the clock say?"


class Weather(BaseModel):
    """The weather in a city."""

    city: str
    celsius: float


@tool
def get_weather(city: str) -> str:
    """Look up the weather in a city."""
    return f"sunny in {city}"


@tool
def read_clock() -> str:
    """Return the time."""
    return "noon"


TOOLS = {one.name: one for one in (get_weather, read_clock)}


@pytest.fixture(params=[False, True], ids=["chat completions", "responses"])
def chat(request: pytest.FixtureRequest, api: ServedApi, key: str) -> Any:
    """Returns a function that creates a client for a model, of one of the APIs."""

    def new(model: str = LITE) -> ChatOpenAI:
        return ChatOpenAI(
            model=model,
            base_url=api.url,
            api_key=key,
            max_retries=0,
            stream_usage=True,
            use_responses_api=request.param,
        )

    return new


def test_a_stream_has_the_text_and_the_usage(chat: Any, bedrock: FakeBedrock) -> None:
    first, *others = chat().stream("Tell me about bees")
    whole = first
    for chunk in others:
        whole += chunk
    usage = bedrock.calls[0].usage
    assert usage is not None
    assert "bees" in whole.text
    assert whole.usage_metadata["total_tokens"] == usage["totalTokens"]


def test_a_loop_of_parallel_tool_calls_ends_with_an_answer(chat: Any) -> None:
    for model in (LITE, HAIKU):
        bound = chat(model).bind_tools(list(TOOLS.values()))
        messages: list[Any] = [HumanMessage(QUESTION)]
        first, *others = bound.stream(messages)
        asked = first
        for chunk in others:
            asked += chunk
        assert [call["name"] for call in asked.tool_calls] == list(TOOLS)
        messages.append(asked)
        for call in asked.tool_calls:
            messages.append(ToolMessage(TOOLS[call["name"]].invoke(call["args"]), tool_call_id=call["id"]))
        answer = bound.invoke(messages).text
        assert "sunny in Lima" in answer
        assert "noon" in answer


@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
def test_structured_output_is_an_instance_of_the_class(chat: Any, method: str) -> None:
    for model in (LITE, HAIKU):
        structured = chat(model).with_structured_output(Weather, method=method)
        assert isinstance(structured.invoke("How warm is Lima?"), Weather)
