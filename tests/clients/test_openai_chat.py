"""Chat Completions with OpenAI's Python client: messages, parameters, usage, files and models."""

from __future__ import annotations

import base64
from typing import Any

import openai
import pytest
from pydantic import BaseModel

from llmmanager.testing import FakeBedrock
from tests.clients.files import PDF, PNG, data_url

HAIKU, LITE = "Claude Haiku 4.5", "Nova Lite"
HELLO: Any = [{"role": "user", "content": "Tell me about bees"}]


class Weather(BaseModel):
    city: str
    celsius: float


def sent(bedrock: FakeBedrock) -> dict[str, Any]:
    """Return the body of the only request that Bedrock received."""
    (call,) = bedrock.calls
    assert call.status == 200
    return call.body


def roles(body: dict[str, Any]) -> list[str]:
    return [message["role"] for message in body["messages"]]


@pytest.mark.parametrize("name", [HAIKU, "us.anthropic.claude-haiku-4-5-20251001-v1:0"])
def test_the_model_of_an_answer_has_no_prefix_of_an_inference_profile(
    openai_client: openai.OpenAI, bedrock: FakeBedrock, name: str
) -> None:
    answer = openai_client.chat.completions.create(model=name, messages=HELLO)
    assert bedrock.calls[0].invoked_id.startswith(("us.", "global."))
    assert answer.model == "anthropic.claude-haiku-4-5-20251001-v1:0"


def test_headers_name_model_region_attempts_and_cost(openai_client: openai.OpenAI) -> None:
    raw = openai_client.chat.completions.with_raw_response.create(model=LITE, messages=HELLO, seed=7)
    assert raw.headers["x-llmmanager-model"] == "amazon.nova-lite-v1:0"
    assert raw.headers["x-llmmanager-region"] == "us-east-1"
    assert raw.headers["x-llmmanager-attempts"] == "1"
    assert float(raw.headers["x-llmmanager-cost-usd"]) > 0
    assert raw.headers["x-llmmanager-ignored"] == "seed"
    assert raw.request_id


def test_a_request_without_a_maximum_length_has_no_default(
    openai_client: openai.OpenAI, bedrock: FakeBedrock
) -> None:
    openai_client.chat.completions.create(model=LITE, messages=HELLO)
    assert "maxTokens" not in sent(bedrock).get("inferenceConfig", {})


def test_a_maximum_length_cuts_the_answer_off(openai_client: openai.OpenAI) -> None:
    answer = openai_client.chat.completions.create(model=LITE, messages=HELLO, max_completion_tokens=5)
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 5


def test_claude_accepts_temperature_with_top_p(openai_client: openai.OpenAI, bedrock: FakeBedrock) -> None:
    openai_client.chat.completions.create(model=HAIKU, messages=HELLO, temperature=0.5, top_p=0.9)
    assert sent(bedrock)["inferenceConfig"] == {"temperature": 0.5}


def test_only_a_system_message_is_answered(openai_client: openai.OpenAI, bedrock: FakeBedrock) -> None:
    for model in (LITE, HAIKU):
        answer = openai_client.chat.completions.create(
            model=model, messages=[{"role": "system", "content": "Tell me about bees"}]
        )
        assert "bees" in (answer.choices[0].message.content or "")


def test_consecutive_messages_of_one_role_are_one_turn(
    openai_client: openai.OpenAI, bedrock: FakeBedrock
) -> None:
    openai_client.chat.completions.create(
        model=LITE,
        messages=[
            {"role": "user", "content": "One"},
            {"role": "user", "content": "Two"},
            {"role": "assistant", "content": "Three"},
            {"role": "assistant", "content": "Four"},
            {"role": "user", "content": "Five"},
            {"role": "system", "content": "Six"},
        ],
    )
    body = sent(bedrock)
    assert roles(body) == ["user", "assistant", "user"]
    assert [len(message["content"]) for message in body["messages"]] == [2, 2, 2]


def test_the_last_chunk_of_a_stream_has_the_usage(openai_client: openai.OpenAI, bedrock: FakeBedrock) -> None:
    with openai_client.chat.completions.create(
        model=LITE, messages=HELLO, stream=True, stream_options={"include_usage": True}
    ) as stream:
        *chunks, last = stream
    assert all(chunk.usage is None for chunk in chunks)
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert (last.choices, last.usage is not None) == ([], True)
    usage = bedrock.calls[0].usage
    assert usage is not None
    assert (last.usage.prompt_tokens, last.usage.completion_tokens) == (
        usage["inputTokens"],
        usage["outputTokens"],
    )


def test_tokens_of_the_cache_are_counted(openai_client: openai.OpenAI) -> None:
    long = {"type": "text", "text": "Bees make honey. " * 3000, "cache_control": {"type": "ephemeral"}}
    messages: Any = [{"role": "system", "content": [long]}, *HELLO]
    first = openai_client.chat.completions.create(model=HAIKU, messages=messages).usage
    with openai_client.chat.completions.create(
        model=HAIKU, messages=messages, stream=True, stream_options={"include_usage": True}
    ) as stream:
        second = list(stream)[-1].usage
    assert first is not None
    assert second is not None
    assert first.prompt_tokens_details.cached_tokens == 0
    assert second.prompt_tokens_details.cached_tokens > 10_000
    assert first.prompt_tokens == second.prompt_tokens


@pytest.mark.parametrize("model", [HAIKU, LITE])
def test_an_answer_is_parsed_into_a_class(openai_client: openai.OpenAI, model: str) -> None:
    answer = openai_client.chat.completions.parse(
        model=model,
        messages=[{"role": "user", "content": "How warm is Lima?"}],
        response_format=Weather,
    )
    assert isinstance(answer.choices[0].message.parsed, Weather)


def test_a_streamed_answer_is_parsed_into_a_class(openai_client: openai.OpenAI) -> None:
    with openai_client.chat.completions.stream(
        model=LITE,
        messages=[{"role": "user", "content": "How warm is Lima?"}],
        response_format=Weather,
    ) as stream:
        answer = stream.get_final_completion()
    assert isinstance(answer.choices[0].message.parsed, Weather)


@pytest.mark.parametrize("media_type", ["image/png", "image/jpg", "application/octet-stream"])
def test_the_format_of_an_image_is_that_of_its_data(
    openai_client: openai.OpenAI, bedrock: FakeBedrock, media_type: str
) -> None:
    part = {"type": "image_url", "image_url": {"url": data_url(PNG, media_type), "detail": "high"}}
    text = {"type": "text", "text": "What is this?"}
    openai_client.chat.completions.create(model=LITE, messages=[{"role": "user", "content": [text, part]}])
    (message,) = sent(bedrock)["messages"]
    assert message["content"][1]["image"]["format"] == "png"


def test_an_image_of_another_server_is_not_downloaded(
    openai_client: openai.OpenAI, bedrock: FakeBedrock
) -> None:
    part = {"type": "image_url", "image_url": {"url": "https://example.com/bee.png"}}
    with pytest.raises(openai.BadRequestError) as caught:
        openai_client.chat.completions.create(model=LITE, messages=[{"role": "user", "content": [part]}])
    assert caught.value.param == "messages[0].content[0].image_url.url"
    assert not bedrock.calls


def test_a_pdf_file_is_a_document(openai_client: openai.OpenAI, bedrock: FakeBedrock) -> None:
    part = {
        "type": "file",
        "file": {"filename": "A report (2026), final.pdf", "file_data": data_url(PDF, "application/pdf")},
    }
    text = {"type": "text", "text": "Summarize this."}
    openai_client.chat.completions.create(model=LITE, messages=[{"role": "user", "content": [text, part]}])
    (message,) = sent(bedrock)["messages"]
    document = message["content"][1]["document"]
    assert document["format"] == "pdf"
    assert base64.b64decode(document["source"]["bytes"]) == PDF


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"n": 2}, "n"),
        ({"temperature": 1.5}, "temperature"),
        ({"logprobs": True}, "logprobs"),
        ({"messages": [{"role": "robot", "content": "Hello"}]}, "messages[0].role"),
    ],
)
def test_an_invalid_field_is_a_bad_request_that_names_it(
    openai_client: openai.OpenAI, bedrock: FakeBedrock, fields: dict[str, Any], param: str
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        openai_client.chat.completions.create(**{"model": LITE, "messages": HELLO, **fields})
    assert (caught.value.param, caught.value.type) == (param, "invalid_request_error")
    assert not bedrock.calls


def test_a_request_above_the_limit_of_lambda_is_too_large(openai_client: openai.OpenAI) -> None:
    with pytest.raises(openai.APIStatusError, match="6 MB") as caught:
        openai_client.chat.completions.create(
            model=LITE, messages=[{"role": "user", "content": "x" * 6_500_000}]
        )
    assert caught.value.status_code == 413


def test_the_models_are_those_of_the_key(openai_client: openai.OpenAI) -> None:
    names = [model.id for model in openai_client.models.list()]
    assert names[:2] == [HAIKU, LITE]
    assert openai_client.models.retrieve(LITE).owned_by == "amazon"
    with pytest.raises(openai.NotFoundError):
        openai_client.models.retrieve("gpt-4o")


def test_an_api_that_does_not_exist_is_not_found(openai_client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="embeddings"):
        openai_client.embeddings.create(model=LITE, input="Hello", encoding_format="float")
