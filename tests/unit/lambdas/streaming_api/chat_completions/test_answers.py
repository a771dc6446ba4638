"""Chat completions, complete and streamed."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.streaming_api.chat_completions.answer import completion
from lambdas.streaming_api.chat_completions.request import ChatRequest
from lambdas.streaming_api.chat_completions.stream import completion_chunks
from lambdas.streaming_api.json_answer import answer_validation
from llmmanager import BedrockResponse, StreamingResponse
from tests.unit.lambdas.streaming_api.answers import (
    ANSWER_CALL,
    CALL,
    ENCRYPTED,
    REASONING,
    Source,
    answered,
    events,
)
from tests.unit.lambdas.streaming_api.chat_completions.chat import HELLO, WEATHER, mapped
from tests.unit.lambdas.streaming_api.rows import row

SCHEMA = {"type": "json_schema", "json_schema": {"name": "report", "schema": {"type": "object"}}}


def complete(*blocks: Any, request: ChatRequest | None = None, **more: Any) -> Any:
    return completion(request or mapped(), answered(*blocks, **more), id_="chatcmpl-1", created=7)


def chunks(
    given: Iterable[Any], request: ChatRequest | None = None, error: Exception | None = None
) -> list[Any]:
    stream = StreamingResponse(Source(given, error))
    return list(completion_chunks(request or mapped(stream=True), stream, id_="chatcmpl-1", created=7))


def deltas(found: Iterable[Any]) -> list[Any]:
    return [chunk["choices"][0]["delta"] for chunk in found if chunk.get("choices")]


def assembled(found: Iterable[Any]) -> dict[str, Any]:
    """Return the message that a client assembles from chunks: texts are joined, lists by index."""
    message: dict[str, Any] = {}
    for delta in deltas(found):
        merge(message, delta)
    return message


def merge(into: dict[str, Any], delta: dict[str, Any]) -> None:
    for name, value in delta.items():
        if isinstance(value, list):
            entries = into.setdefault(name, [])
            for item in value:
                while len(entries) <= item["index"]:
                    entries.append({})
                merge(entries[item["index"]], item)
        elif isinstance(value, dict):
            merge(into.setdefault(name, {}), value)
        elif isinstance(value, str) and name not in ("id", "type", "role", "name"):
            into[name] = into.get(name, "") + value
        else:
            into[name] = value


@row("text")
def test_a_completion_has_the_text_of_the_answer() -> None:
    assert complete({"text": "Hello"}) == {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 7,
        "model": "amazon.nova-lite-v1:0",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hello", "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": 1110,
            "completion_tokens": 5,
            "total_tokens": 1115,
            "prompt_tokens_details": {"cached_tokens": 100, "cache_write_tokens": 1000},
        },
    }


@row("`toolUse`")
def test_tool_calls_have_arguments_as_json_text() -> None:
    message = complete(CALL, stop_reason="tool_use")["choices"][0]["message"]
    assert message["content"] is None
    assert message["tool_calls"] == [
        {"id": "id1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Lima"}'}}
    ]


@row("`reasoningContent`")
def test_reasoning_is_text_and_entries_with_signatures() -> None:
    message = complete(REASONING, ENCRYPTED, {"text": "Hello"})["choices"][0]["message"]
    assert message["reasoning_content"] == "Hm"
    assert message["reasoning_details"] == [
        {"type": "reasoning.text", "index": 0, "text": "Hm", "signature": "c2ln"},
        {"type": "reasoning.encrypted", "index": 1, "data": base64.b64encode(b"secret").decode()},
    ]


def test_the_reasoning_of_an_answer_can_be_sent_back_unchanged() -> None:
    message = complete(REASONING, ENCRYPTED, {"text": "Hello"})["choices"][0]["message"]
    assert mapped(HELLO, message, HELLO).converse["messages"][1]["content"] == [
        REASONING,
        ENCRYPTED,
        {"text": "Hello"},
    ]


@row("`stopReason`")
@pytest.mark.parametrize(
    ("stop_reason", "expected"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("guardrail_intervened", "content_filter"),
        ("content_filtered", "content_filter"),
        ("a_new_reason", "stop"),
    ],
)
def test_the_reason_for_the_end_of_an_answer(stop_reason: str, expected: str) -> None:
    assert complete({"text": "a"}, stop_reason=stop_reason)["choices"][0]["finish_reason"] == expected
    found = chunks(events({"text": "a"}, stop_reason=stop_reason))
    assert found[-1]["choices"][0]["finish_reason"] == expected


@pytest.mark.parametrize("stop_reason", ["tool_use", "end_turn"])
def test_an_answer_with_tool_calls_ends_with_tool_calls(stop_reason: str) -> None:
    assert complete(CALL, stop_reason=stop_reason)["choices"][0]["finish_reason"] == "tool_calls"


@row("`serviceTier`")
@pytest.mark.parametrize(("tier", "expected"), [("flex", {"flex"}), ("reserved", set())])
def test_the_service_tier_is_reported_if_openai_has_it(tier: str, expected: set[str]) -> None:
    answer = complete({"text": "a"}, serviceTier={"type": tier})
    assert {answer[name] for name in answer if name == "service_tier"} == expected


@row("`usage`")
def test_a_last_chunk_has_the_token_counts() -> None:
    request = mapped(stream=True, stream_options={"include_usage": True})
    found = chunks(events({"text": "a"}, serviceTier={"type": "flex"}), request)
    assert (found[-1]["choices"], found[-1]["usage"]["total_tokens"]) == ([], 1115)
    assert found[-1]["service_tier"] == "flex"
    assert all(chunk["usage"] is None for chunk in found[:-1])
    assert not any("usage" in chunk for chunk in chunks(events({"text": "a"})))


@row("events of a stream")
def test_each_event_is_a_chunk_of_its_own() -> None:
    found = chunks(events({"text": "abc"}))
    assert deltas(found) == [
        {"role": "assistant", "content": ""},
        {"content": "a"},
        {"content": "b"},
        {"content": "c"},
        {},
    ]
    assert {chunk["id"] for chunk in found} == {"chatcmpl-1"}
    assert {chunk["object"] for chunk in found} == {"chat.completion.chunk"}


def test_chunks_arrive_before_the_stream_has_ended() -> None:
    seen = []

    def slow() -> Iterable[Any]:
        for event in events({"text": "ab"}):
            seen.append(event)
            yield event

    class Live(Source):
        def __iter__(self) -> Any:
            yield from slow()

    stream = StreamingResponse(Live([]))
    iterator = iter(completion_chunks(mapped(stream=True), stream, id_="1", created=7))
    next(iterator)
    assert next(iterator)["choices"][0]["delta"] == {"content": "a"}
    assert len(seen) == 2


@row("parallel tool calls")
def test_parallel_tool_calls_have_indexes_from_0_behind_text_and_reasoning() -> None:
    second = {"toolUse": {"toolUseId": "id3", "name": "time", "input": {}}}
    found = chunks(events(REASONING, {"text": "I look."}, CALL, second, stop_reason="tool_use"))
    assert assembled(found)["tool_calls"] == [
        {
            "index": 0,
            "id": "id1",
            "type": "function",
            "function": {"name": "weather", "arguments": '{"city": "Lima"}'},
        },
        {"index": 1, "id": "id3", "type": "function", "function": {"name": "time", "arguments": "{}"}},
    ]


@row("a stream that is lost")
def test_a_lost_stream_ends_with_an_error_and_without_a_reason_for_the_end() -> None:
    found = chunks(events({"text": "abc"})[:3], error=ConnectionError("reset"))
    assert found[-1]["error"]["code"] == "stream_interrupted"
    assert "reset" in found[-1]["error"]["message"]
    assert all(chunk["choices"][0]["finish_reason"] is None for chunk in found[:-1])


@row("the arguments of the answer's tool")
def test_the_arguments_of_the_answer_tool_are_the_content() -> None:
    request = mapped(response_format=SCHEMA)
    answer = complete({"text": "I answer:"}, ANSWER_CALL, request=request, stop_reason="tool_use")
    assert answer["choices"][0]["message"] == {
        "role": "assistant",
        "content": '{"celsius": 19}',
        "refusal": None,
    }
    assert answer["choices"][0]["finish_reason"] == "stop"
    found = chunks(events({"text": "I answer:"}, ANSWER_CALL, stop_reason="tool_use"), request)
    assert assembled(found)["content"] == '{"celsius": 19}'
    assert found[-1]["choices"][0]["finish_reason"] == "stop"


@row("a Markdown code block around JSON")
@pytest.mark.parametrize("text", ['{"a": 1}', '```json\n{"a": 1}\n```', ' ```\n{"a": 1}\n``` '])
def test_json_is_taken_out_of_a_code_block(text: str) -> None:
    request = mapped(response_format={"type": "json_object"})
    assert complete({"text": text}, request=request)["choices"][0]["message"]["content"] == '{"a": 1}'


@row("an answer that is not JSON")
@pytest.mark.parametrize(
    ("response", "is_valid"),
    [
        (answered({"text": '{"a": 1}'}), True),
        (answered({"text": '```json\n{"a": 1}\n```'}), True),
        (answered({"text": "[1]"}), False),
        (answered({"text": "Sure!"}), False),
        (answered(), False),
        (answered({"text": '{"a":'}, stop_reason="max_tokens"), True),
        (answered(CALL, stop_reason="tool_use"), True),
    ],
)
def test_an_answer_that_must_be_json_is_validated(response: BedrockResponse, is_valid: bool) -> None:
    config = answer_validation(mapped(response_format={"type": "json_object"}, tools=[WEATHER]))
    assert config is not None
    assert config.response_validation_function(response).success is is_valid


def test_an_answer_with_a_schema_may_be_any_json() -> None:
    config = answer_validation(mapped(response_format=SCHEMA))
    assert config is not None
    check = config.response_validation_function
    assert check(answered(ANSWER_CALL, stop_reason="tool_use")).success
    assert not check(answered({"text": "Sure!"})).success
    assert answer_validation(mapped()) is None


BLOCKS = st.one_of(
    st.builds(lambda text: {"text": text}, st.text(min_size=1, max_size=5)),
    st.just(REASONING),
    st.just(ENCRYPTED),
    st.just(CALL),
    st.just(ANSWER_CALL),
)


@given(st.lists(BLOCKS, max_size=5), st.booleans())
def test_the_chunks_of_an_answer_are_the_complete_answer_in_pieces(
    blocks: list[Any], has_schema: bool
) -> None:
    request = mapped(response_format=SCHEMA if has_schema else None, tools=[WEATHER])
    stop_reason = "tool_use" if any("toolUse" in block for block in blocks) else "end_turn"
    choice = complete(*blocks, request=request, stop_reason=stop_reason)["choices"][0]
    found = chunks(events(*blocks, stop_reason=stop_reason), request)
    message = assembled(found)
    for number, tool_call in enumerate(choice["message"].get("tool_calls", ())):
        tool_call["index"] = number
    assert message.pop("content") == (choice["message"].pop("content") or "")
    assert choice["message"].pop("refusal") is None
    assert message == choice["message"]
    assert found[-1]["choices"][0]["finish_reason"] == choice["finish_reason"]
