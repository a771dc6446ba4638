"""Messages, complete and streamed."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.streaming_api.json_answer import answer_validation
from lambdas.streaming_api.messages.answer import message
from lambdas.streaming_api.messages.request import MessagesRequest
from lambdas.streaming_api.messages.stream import message_events
from llmmanager import StreamingResponse
from tests.unit.lambdas.streaming_api.answers import (
    ANSWER_CALL,
    CALL,
    ENCRYPTED,
    REASONING,
    USAGE,
    Source,
    answered,
    events,
)
from tests.unit.lambdas.streaming_api.messages.anthropic_messages import (
    HAIKU_4_5,
    HELLO,
    WEATHER,
    converse,
    encoded,
    mapped,
)
from tests.unit.lambdas.streaming_api.rows import row

TEXT = {"text": "Hello"}
FORMAT = {"type": "json_schema", "schema": {"type": "object"}}
COUNTS = {
    "input_tokens": 10,
    "cache_creation_input_tokens": 1000,
    "cache_read_input_tokens": 100,
    "cache_creation": {"ephemeral_5m_input_tokens": 1000, "ephemeral_1h_input_tokens": 0},
    "output_tokens": 5,
}
CITATION = {
    "title": "Report",
    "sourceContent": [{"text": "It "}, {"text": "rains."}],
    "location": {"documentChar": {"documentIndex": 1, "start": 5, "end": 14}},
}
CITED = {
    "type": "char_location",
    "cited_text": "It rains.",
    "document_index": 1,
    "document_title": "Report",
    "start_char_index": 5,
    "end_char_index": 14,
}


def complete(*blocks: Any, request: MessagesRequest | None = None, **more: Any) -> Any:
    return message(request or mapped(), answered(*blocks, **more), id_="msg_1")


def streamed(
    given: Iterable[Any], request: MessagesRequest | None = None, error: Exception | None = None
) -> list[Any]:
    """Return the data of the events of a stream. Each has the name of its type."""
    stream = StreamingResponse(Source(given, error))
    found = list(message_events(request or mapped(stream=True), stream, id_="msg_1", request_id="req_1"))
    assert all(name == data["type"] for name, data in found)
    return [data for _, data in found]


def assembled(found: Iterable[Any]) -> dict[str, Any]:
    """Return the message that a client assembles, as the anthropic package does."""
    message: dict[str, Any] = {}
    arguments: dict[int, str] = {}
    for data in found:
        match data["type"]:
            case "message_start":
                message = json.loads(json.dumps(data["message"]))
            case "content_block_start":
                assert data["index"] == len(message["content"])
                message["content"].append(dict(data["content_block"]))
            case "content_block_delta":
                add_delta(message["content"][data["index"]], data["delta"], arguments, data["index"])
            case "message_delta":
                message |= data["delta"]
                message["usage"] |= data["usage"]
    for index, text in arguments.items():
        message["content"][index]["input"] = json.loads(text)
    return message


def add_delta(block: Any, delta: Any, arguments: dict[int, str], index: int) -> None:
    match delta["type"]:
        case "text_delta":
            block["text"] += delta["text"]
        case "thinking_delta":
            block["thinking"] += delta["thinking"]
        case "signature_delta":
            block["signature"] = delta["signature"]  # not joined
        case "citations_delta":
            block.setdefault("citations", []).append(delta["citation"])
        case _:
            assert delta["type"] == "input_json_delta"
            arguments[index] = arguments.get(index, "") + delta["partial_json"]


@row("text")
def test_a_message_has_the_text_of_the_answer() -> None:
    assert complete(TEXT) == {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "amazon.nova-lite-v1:0",
        "content": [{"type": "text", "text": "Hello"}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": COUNTS,
    }


@row("`citationsContent`")
@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ({"documentChar": {"documentIndex": 1, "start": 5, "end": 14}}, CITED),
        (
            {"documentPage": {"documentIndex": 0, "start": 2, "end": 3}},
            {
                "type": "page_location",
                "cited_text": "It rains.",
                "document_index": 0,
                "document_title": "Report",
                "start_page_number": 2,
                "end_page_number": 3,
            },
        ),
        (
            {"documentChunk": {"documentIndex": 0, "start": 2, "end": 3}},
            {
                "type": "content_block_location",
                "cited_text": "It rains.",
                "document_index": 0,
                "document_title": "Report",
                "start_block_index": 2,
                "end_block_index": 3,
            },
        ),
        (
            {"searchResultLocation": {"searchResultIndex": 4, "start": 0, "end": 1}},
            {
                "type": "search_result_location",
                "cited_text": "It rains.",
                "search_result_index": 4,
                "source": "https://a.example",
                "title": "Report",
                "start_block_index": 0,
                "end_block_index": 1,
            },
        ),
    ],
)
def test_cited_text_has_its_sources(location: Any, expected: Any) -> None:
    citation = {**CITATION, "source": "https://a.example", "location": location}
    block = {"citationsContent": {"content": [TEXT], "citations": [citation]}}
    assert complete(block)["content"] == [{"type": "text", "text": "Hello", "citations": [expected]}]


def test_a_citation_of_an_unknown_place_is_left_out() -> None:
    citations = [{"location": {"web": {"url": "https://a.example"}}}, {}]
    block = {"citationsContent": {"content": [TEXT], "citations": citations}}
    assert complete(block)["content"] == [{"type": "text", "text": "Hello"}]


@row("`reasoningContent`")
def test_reasoning_has_its_signature() -> None:
    assert complete(REASONING, ENCRYPTED, TEXT)["content"] == [
        {"type": "thinking", "thinking": "Hm", "signature": "c2ln"},
        {"type": "redacted_thinking", "data": encoded(b"secret")},
        {"type": "text", "text": "Hello"},
    ]


def test_an_answer_can_be_sent_back_unchanged() -> None:
    answer = complete(REASONING, ENCRYPTED, TEXT)
    turn = {"role": "assistant", "content": answer["content"]}
    assert converse(HELLO, turn, HELLO)["messages"][1]["content"] == [REASONING, ENCRYPTED, TEXT]


@row("`toolUse`")
def test_a_tool_call_has_its_arguments() -> None:
    answer = complete(TEXT, CALL, stop_reason="tool_use")
    assert answer["content"][1] == {
        "type": "tool_use",
        "id": "id1",
        "name": "weather",
        "input": {"city": "Lima"},
    }
    assert answer["stop_reason"] == "tool_use"


@pytest.mark.parametrize(("given", "expected"), [({}, {}), (["a"], {"arguments": ["a"]})])
def test_arguments_are_an_object(given: Any, expected: Any) -> None:
    use = {"toolUse": {**CALL["toolUse"], "input": given}}
    assert complete(use, stop_reason="tool_use")["content"][0]["input"] == expected


@row("the arguments of the answer's tool")
def test_the_arguments_of_the_answers_tool_are_text() -> None:
    request = mapped(output_config={"format": FORMAT})
    use = {"toolUse": {**ANSWER_CALL["toolUse"], "name": "answer_json"}}
    answer = complete({"text": "Here it is."}, use, request=request, stop_reason="tool_use")
    assert answer["content"] == [{"type": "text", "text": '{"celsius": 19}'}]
    assert answer["stop_reason"] == "end_turn"
    found = assembled(streamed(events(use, stop_reason="tool_use"), request))
    assert (found["content"], found["stop_reason"]) == (answer["content"], "end_turn")


def test_json_without_the_tool_is_found_in_a_code_block() -> None:
    request = mapped(output_config={"format": FORMAT})
    block = {"text": '```json\n{"a": 1}\n```'}
    assert answer_validation(request) is not None
    assert complete(block, request=request)["content"] == [{"type": "text", "text": '{"a": 1}'}]


@row("`stopReason`")
@pytest.mark.parametrize(
    ("stop_reason", "expected"),
    [
        ("end_turn", "end_turn"),
        ("max_tokens", "max_tokens"),
        ("stop_sequence", "stop_sequence"),
        ("model_context_window_exceeded", "model_context_window_exceeded"),
        ("guardrail_intervened", "refusal"),
        ("content_filtered", "refusal"),
        ("refusal", "refusal"),
        ("a_new_reason", "end_turn"),
    ],
)
def test_the_reason_for_the_end_of_an_answer(stop_reason: str, expected: str) -> None:
    assert complete(TEXT, stop_reason=stop_reason)["stop_reason"] == expected
    assert assembled(streamed(events(TEXT, stop_reason=stop_reason)))["stop_reason"] == expected


def test_a_refusal_is_explained() -> None:
    assert complete(stop_reason="guardrail_intervened")["stop_details"] == {
        "type": "refusal",
        "category": None,
        "explanation": "A guardrail intervened.",
    }
    assert "stop_details" not in complete(TEXT)


@row("the stop sequence")
@pytest.mark.parametrize(
    ("sequences", "reported", "expected"),
    [
        (["END", "STOP"], {"stop_sequence": "STOP"}, "STOP"),
        (["END"], None, "END"),
        (["END", "STOP"], None, None),
    ],
)
def test_the_stop_sequence(sequences: list[str], reported: Any, expected: str | None) -> None:
    request = mapped(model_ids=(HAIKU_4_5,), stop_sequences=sequences)
    answer = complete(
        TEXT, request=request, stop_reason="stop_sequence", additionalModelResponseFields=reported
    )
    assert (answer["stop_reason"], answer["stop_sequence"]) == ("stop_sequence", expected)


def test_an_answer_that_ended_otherwise_has_no_stop_sequence() -> None:
    request = mapped(stop_sequences=["END"])
    answer = complete(TEXT, request=request, additionalModelResponseFields={"stop_sequence": None})
    assert answer["stop_sequence"] is None


@row("`usage`")
def test_cached_tokens_are_counted_by_their_lifetime() -> None:
    details = [{"ttl": "1h", "inputTokens": 600}, {"ttl": "5m", "inputTokens": 400}]
    usage = complete(TEXT, usage={**USAGE, "cacheDetails": details})["usage"]
    assert usage["cache_creation"] == {"ephemeral_5m_input_tokens": 400, "ephemeral_1h_input_tokens": 600}
    assert usage["cache_creation_input_tokens"] == 1000
    assert complete(TEXT, usage=None)["usage"]["input_tokens"] == 0


@row("`serviceTier`")
@pytest.mark.parametrize(
    ("tier", "expected"),
    [
        ("default", "standard"),
        ("flex", "standard"),
        ("priority", "priority"),
        ("reserved", "priority"),
    ],
)
def test_the_service_tier_is_one_of_anthropics(tier: str, expected: str) -> None:
    assert complete(TEXT, serviceTier={"type": tier})["usage"]["service_tier"] == expected


@row("the beginning")
def test_a_stream_begins_with_an_empty_message() -> None:
    start, ping = streamed(events(TEXT))[:2]
    message = start["message"]
    assert (message["id"], message["model"], message["content"]) == ("msg_1", "amazon.nova-lite-v1:0", [])
    assert (message["stop_reason"], message["stop_sequence"]) == (None, None)
    assert set(message["usage"].values()) == {0}
    assert "cache_creation" not in message["usage"]
    assert ping == {"type": "ping"}


@row("a content block")
def test_each_block_has_a_start_pieces_and_an_end() -> None:
    assert streamed(events({"text": "ab"}))[2:-2] == [
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "a"}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "b"}},
        {"type": "content_block_stop", "index": 0},
    ]


def test_events_arrive_before_the_stream_has_ended() -> None:
    seen = []

    class Slow(Source):
        def __iter__(self) -> Any:
            for event in super().__iter__():
                seen.append(event)
                yield event

    stream = StreamingResponse(Slow(events({"text": "ab"})))
    for name, _ in message_events(mapped(stream=True), stream, id_="msg_1"):
        if name == "content_block_delta":
            break
    assert len(seen) == 2


def test_blocks_are_numbered_without_gaps() -> None:
    deltas = [{"contentBlockDelta": {"contentBlockIndex": 3, "delta": TEXT}}]
    stops = [{"contentBlockStop": {"contentBlockIndex": 3}}, {"contentBlockStop": {"contentBlockIndex": 2}}]
    found = streamed([*deltas, *stops, *events(CALL, stop_reason="tool_use")])
    assert [data["index"] for data in found if "index" in data and "delta" not in data] == [0, 0, 1, 1]


def test_a_block_without_an_end_ends_before_the_next_one_and_at_the_end() -> None:
    first, second = ({"contentBlockIndex": index, "delta": TEXT} for index in (0, 1))
    end = {"messageStop": {"stopReason": "end_turn"}}
    found = streamed([{"contentBlockDelta": first}, {"contentBlockDelta": second}, end])
    assert [data["type"].removeprefix("content_block_") for data in found[2:-2]] == [
        "start",
        "delta",
        "stop",
        "start",
        "delta",
        "stop",
    ]


def test_arguments_of_parallel_calls_that_arrive_in_turns_are_kept_apart() -> None:
    given = []
    for index in (0, 1):
        use = {"toolUseId": f"id{index}", "name": "weather"}
        given.append({"contentBlockStart": {"contentBlockIndex": index, "start": {"toolUse": use}}})
    for text in ('{"a": ', "1}"):
        for index in (0, 1):
            delta = {"toolUse": {"input": text}}
            given.append({"contentBlockDelta": {"contentBlockIndex": index, "delta": delta}})
    given += [{"contentBlockStop": {"contentBlockIndex": index}} for index in (0, 1)]
    found = assembled(streamed([*given, {"messageStop": {"stopReason": "tool_use"}}]))
    assert [block["input"] for block in found["content"]] == [{"a": 1}, {"a": 1}]


@row("text, arguments, reasoning, a citation")
def test_each_kind_of_content_has_its_own_delta() -> None:
    cited = {"contentBlockDelta": {"contentBlockIndex": 2, "delta": {"citation": CITATION}}}
    stop = {"contentBlockStop": {"contentBlockIndex": 2}}
    given = events(REASONING, {"text": "a"}, {"text": "b"}, CALL, stop_reason="tool_use")
    given.insert(given.index(stop), cited)
    found = streamed(given)
    kinds = [data["delta"]["type"] for data in found if data["type"] == "content_block_delta"]
    assert list(dict.fromkeys(kinds)) == [
        "thinking_delta",
        "signature_delta",
        "text_delta",
        "citations_delta",
        "input_json_delta",
    ]
    assert assembled(found)["content"][2] == {"type": "text", "text": "b", "citations": [CITED]}


@row("a signature, encrypted reasoning")
def test_a_signature_and_encrypted_reasoning_arrive_in_one_piece() -> None:
    found = streamed(events(REASONING, ENCRYPTED))
    signatures = [data["delta"] for data in found if data.get("delta", {}).get("type") == "signature_delta"]
    assert signatures == [{"type": "signature_delta", "signature": "c2ln"}]
    assert assembled(found)["content"] == [
        {"type": "thinking", "thinking": "Hm", "signature": "c2ln"},
        {"type": "redacted_thinking", "data": encoded(b"secret")},
    ]


@row("the end and the token counts")
def test_a_stream_ends_with_all_token_counts() -> None:
    assert streamed(events(TEXT))[-2:] == [
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": COUNTS,
        },
        {"type": "message_stop"},
    ]


def test_a_stream_without_token_counts_ends_normally() -> None:
    found = streamed(events(TEXT)[:-1])
    assert found[-1] == {"type": "message_stop"}
    assert found[-2]["usage"]["output_tokens"] == 0


@row("a stream that is lost")
def test_a_lost_stream_ends_with_an_error_and_never_looks_finished() -> None:
    found = streamed(events(TEXT, CALL)[:4], error=ConnectionError("reset"))
    assert found[-1]["type"] == "error"
    assert found[-1]["error"]["type"] == "overloaded_error"
    assert found[-1]["error"]["details"] == {"error_code": "stream_interrupted"}
    assert "reset. It is incomplete." in found[-1]["error"]["message"]
    assert found[-1]["request_id"] == "req_1"
    assert not {"message_delta", "message_stop", "content_block_stop"} & {data["type"] for data in found}


BLOCKS = st.lists(
    st.sampled_from(
        [TEXT, {"text": " äöü "}, REASONING, ENCRYPTED, CALL, {"toolUse": {**CALL["toolUse"], "input": {}}}]
    ),
    max_size=5,
)


@given(BLOCKS, st.sampled_from(["end_turn", "max_tokens", "tool_use"]), st.booleans())
def test_a_complete_and_a_streamed_answer_are_the_same_message(
    blocks: list[Any], stop_reason: str, has_answer_tool: bool
) -> None:
    fields = {"output_config": {"format": FORMAT}} if has_answer_tool else {}
    request = mapped(tools=[WEATHER], **fields)
    whole = complete(*blocks, request=request, stop_reason=stop_reason)
    assert assembled(streamed(events(*blocks, stop_reason=stop_reason), request)) == whole
