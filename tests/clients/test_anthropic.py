"""The Messages API with Anthropic's Python client."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator
from typing import Any

import anthropic
import pytest
from pydantic import BaseModel

from llmmanager.testing import FakeBedrock, Fault
from tests.clients.files import PDF, PNG
from tests.clients.served_api import ServedApi

HAIKU, LITE = "Claude Haiku 4.5", "Nova Lite"
QUESTION: Any = {"role": "user", "content": "What is the weather in Lima, and what does the clock say?"}
HELLO: Any = {"role": "user", "content": "Tell me about bees"}
LONG_NAME = "mcp__world_clock__" + "read_" * 15


class Weather(BaseModel):
    city: str
    celsius: float


def tool(name: str) -> Any:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    return {"name": name, "input_schema": schema}


TOOLS: Any = [tool("get_weather"), tool(LONG_NAME)]


@pytest.fixture
def client(api: ServedApi, key: str) -> Iterator[anthropic.Anthropic]:
    """Anthropic's client, which does not retry."""
    with anthropic.Anthropic(base_url=api.url.removesuffix("/v1"), api_key=key, max_retries=0) as client:
        yield client


def text_of(message: Any) -> str:
    return "".join(block.text for block in message.content if block.type == "text")


def test_a_message_has_the_text_the_usage_and_the_model(
    client: anthropic.Anthropic, bedrock: FakeBedrock
) -> None:
    message = client.messages.create(model=HAIKU, max_tokens=300, messages=[HELLO], system="Be brief.")
    (call,) = bedrock.calls
    assert "bees" in text_of(message)
    assert (message.role, message.stop_reason, message.model) == ("assistant", "end_turn", call.model_id)
    assert call.usage is not None
    assert message.usage.input_tokens == call.usage["inputTokens"]
    assert message.usage.output_tokens == call.usage["outputTokens"]


def test_the_final_message_of_a_stream_has_the_usage(
    client: anthropic.Anthropic, bedrock: FakeBedrock
) -> None:
    with client.messages.stream(model=LITE, max_tokens=300, messages=[HELLO]) as stream:
        message = stream.get_final_message()
    usage = bedrock.calls[0].usage
    assert usage is not None
    assert message.usage.input_tokens == usage["inputTokens"]
    assert message.usage.output_tokens == usage["outputTokens"]
    assert message.stop_reason == "end_turn"


def test_the_asynchronous_client_streams(api: ServedApi, key: str) -> None:
    async def text() -> str:
        url = api.url.removesuffix("/v1")
        async with (
            anthropic.AsyncAnthropic(base_url=url, api_key=key) as client,
            client.messages.stream(model=LITE, max_tokens=300, messages=[HELLO]) as stream,
        ):
            return "".join([piece async for piece in stream.text_stream])

    assert "bees" in asyncio.run(text())


def test_a_key_is_also_accepted_in_the_header_of_older_clients(api: ServedApi, key: str) -> None:
    with anthropic.Anthropic(
        base_url=api.url.removesuffix("/v1"),
        api_key=None,
        default_headers={"Authorization": anthropic.omit, "x-api-key": key},
    ) as client:
        assert client.messages.create(model=LITE, max_tokens=300, messages=[HELLO]).content


@pytest.mark.parametrize(
    ("model", "fields"), [(LITE, {}), (HAIKU, {"thinking": {"type": "enabled", "budget_tokens": 1024}})]
)
def test_a_loop_of_parallel_tool_calls_has_both_results_in_one_turn(
    client: anthropic.Anthropic, bedrock: FakeBedrock, model: str, fields: dict[str, Any]
) -> None:
    def ask(*messages: Any) -> Any:
        with client.messages.stream(
            model=model, max_tokens=2000, messages=[QUESTION, *messages], tools=TOOLS, **fields
        ) as stream:
            return stream.get_final_message()

    asked = ask()
    calls = [block for block in asked.content if block.type == "tool_use"]
    assert asked.stop_reason == "tool_use"
    assert [call.name for call in calls] == ["get_weather", LONG_NAME]
    assert all(call.input["city"] for call in calls)
    assert (asked.content[0].type == "thinking") is bool(fields)
    results = [
        {"type": "tool_result", "tool_use_id": call.id, "content": text}
        for call, text in zip(calls, ("sunny", "noon"), strict=True)
    ]
    answer = text_of(
        ask({"role": "assistant", "content": asked.content}, {"role": "user", "content": results})
    )
    assert "sunny" in answer
    assert "noon" in answer
    turns = bedrock.calls[-1].body["messages"]
    assert [list(block) for block in turns[2]["content"]] == [["toolResult"], ["toolResult"]]


def test_the_clients_own_tool_runner_ends_with_an_answer(client: anthropic.Anthropic) -> None:
    @anthropic.beta_tool
    def get_weather(city: str) -> str:
        """Look up the weather.

        Args:
            city: the city.
        """
        return f"sunny in {city}"

    runner = client.beta.messages.tool_runner(
        model=HAIKU, max_tokens=500, tools=[get_weather], messages=[QUESTION]
    )
    assert "sunny in Lima" in text_of(runner.until_done())


@pytest.mark.parametrize("model", [HAIKU, LITE])
def test_a_message_is_parsed_into_a_class(client: anthropic.Anthropic, model: str) -> None:
    message = client.messages.parse(
        model=model,
        max_tokens=500,
        messages=[{"role": "user", "content": "How warm is Lima?"}],
        output_format=Weather,
    )
    assert isinstance(message.parsed_output, Weather)


def test_tokens_are_counted_exactly_for_claude_and_estimated_for_others(
    client: anthropic.Anthropic, bedrock: FakeBedrock
) -> None:
    exact = client.messages.with_raw_response.count_tokens(model=HAIKU, messages=[HELLO])
    assert [call.operation for call in bedrock.calls] == ["CountTokens"]
    message = client.messages.create(model=HAIKU, max_tokens=300, messages=[HELLO])
    assert exact.parse().input_tokens == message.usage.input_tokens
    estimate = client.messages.with_raw_response.count_tokens(model=LITE, messages=[HELLO])
    assert estimate.headers["x-llmmanager-estimated"] == "true"
    assert estimate.parse().input_tokens >= message.usage.input_tokens


def test_tokens_of_the_cache_are_counted(client: anthropic.Anthropic) -> None:
    system: Any = [
        {"type": "text", "text": "Wasps make paper. " * 3000, "cache_control": {"type": "ephemeral"}}
    ]
    first, second = (
        client.messages.create(model=HAIKU, max_tokens=300, system=system, messages=[HELLO]).usage
        for _ in range(2)
    )
    assert first.cache_creation_input_tokens == second.cache_read_input_tokens
    assert (second.cache_read_input_tokens or 0) > 10_000
    assert first.input_tokens == second.input_tokens < 100


def test_images_and_pdf_files_are_sent_as_such(client: anthropic.Anthropic, bedrock: FakeBedrock) -> None:
    def source(data: bytes, media_type: str) -> Any:
        encoded = base64.b64encode(data).decode("ascii")
        return {"type": "base64", "media_type": media_type, "data": encoded}

    content: Any = [
        {"type": "text", "text": "Summarize these."},
        {"type": "image", "source": source(PNG, "image/jpg")},
        {"type": "document", "source": source(PDF, "application/pdf"), "title": "Report"},
    ]
    client.messages.create(model=HAIKU, max_tokens=300, messages=[{"role": "user", "content": content}])
    (call,) = bedrock.calls
    _, image, document = call.body["messages"][0]["content"]
    assert (image["image"]["format"], document["document"]["format"]) == ("png", "pdf")


def test_the_models_are_listed_in_the_clients_format(client: anthropic.Anthropic) -> None:
    models = list(client.models.list(limit=2))
    assert [model.display_name for model in models][:2] == [HAIKU, LITE]
    assert len(models) == 4
    assert client.models.retrieve(HAIKU).type == "model"
    with pytest.raises(anthropic.NotFoundError):
        client.models.retrieve("gpt-4o")


def test_an_invalid_field_is_a_bad_request_that_names_it(
    client: anthropic.Anthropic, bedrock: FakeBedrock
) -> None:
    with pytest.raises(anthropic.BadRequestError, match="messages"):
        client.messages.create(model=LITE, max_tokens=300, messages=[])
    with pytest.raises(anthropic.BadRequestError, match="max_tokens"):
        client.messages.create(model=LITE, max_tokens=0, messages=[HELLO])
    assert not bedrock.calls


def test_a_repeated_request_with_an_idempotency_key_is_paid_for_once(
    client: anthropic.Anthropic, bedrock: FakeBedrock
) -> None:
    headers = {"Idempotency-Key": "a-message"}
    first, second = (
        client.messages.create(model=LITE, max_tokens=300, messages=[HELLO], extra_headers=headers)
        for _ in range(2)
    )
    assert first == second
    assert len(bedrock.calls) == 1


def test_the_final_message_of_a_lost_stream_is_an_error(
    client: anthropic.Anthropic, failing: FakeBedrock
) -> None:
    failing.add_fault(Fault(error="modelStreamErrorException", after_chunks=5))
    with (
        client.messages.stream(model=LITE, max_tokens=300, messages=[HELLO]) as stream,
        pytest.raises(anthropic.APIStatusError, match="incomplete"),
    ):
        stream.get_final_message()
