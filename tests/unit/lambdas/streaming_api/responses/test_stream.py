"""Events of streamed responses."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.streaming_api.api_error import stream_interrupted
from lambdas.streaming_api.responses.answer import response_object
from lambdas.streaming_api.responses.request import ResponsesRequest
from lambdas.streaming_api.responses.stream import error_event, response_events
from llmmanager import StreamingResponse
from tests.unit.lambdas.streaming_api.answers import (
    ANSWER_CALL,
    CALL,
    ENCRYPTED,
    REASONING,
    Source,
    answered,
    events,
)
from tests.unit.lambdas.streaming_api.responses.bodies import FORMAT, WEATHER, mapped
from tests.unit.lambdas.streaming_api.rows import row


def streamed(
    given: Iterable[Any], request: ResponsesRequest | None = None, error: Exception | None = None
) -> list[Any]:
    stream = StreamingResponse(Source(given, error))
    return list(response_events(request or mapped(stream=True), stream, id_="resp_1", created=7))


def types(found: Iterable[Any]) -> list[str]:
    return [event["type"].removeprefix("response.") for event in found]


def assembled(found: Iterable[Any]) -> list[dict[str, Any]]:
    """Return the items that a client assembles: each one as it was added, with the deltas of its content."""
    items: list[dict[str, Any]] = []
    for event in found:
        match event["type"].removeprefix("response."):
            case "output_item.added":
                assert event["output_index"] == len(items)
                items.append({**event["item"]})
            case "content_part.added":
                items[event["output_index"]]["content"] = [{**event["part"]}]
            case "output_text.delta":
                items[event["output_index"]]["content"][0]["text"] += event["delta"]
            case "reasoning_summary_part.added":
                items[event["output_index"]]["summary"] = [{**event["part"]}]
            case "reasoning_summary_text.delta":
                items[event["output_index"]]["summary"][0]["text"] += event["delta"]
            case "function_call_arguments.delta":
                items[event["output_index"]]["arguments"] += event["delta"]
            case "output_item.done":
                done = event["item"]
                known = ("status", "encrypted_content")
                assert {**items[-1], **{name: done[name] for name in known if name in done}} == done
                items[-1] = done
    return items


@row("the beginning of a stream")
def test_a_stream_begins_with_a_response_without_output() -> None:
    found = streamed(events({"text": "a"}))
    assert types(found[:2]) == ["created", "in_progress"]
    assert found[0]["response"] == found[1]["response"]
    response = found[0]["response"]
    assert (response["id"], response["status"], response["output"], response["usage"]) == (
        "resp_1",
        "in_progress",
        [],
        None,
    )


@row("text of a stream")
def test_each_piece_of_text_is_an_event_of_its_own() -> None:
    found = streamed(events({"text": "ab"}))
    place = {"item_id": "msg_1_0", "output_index": 0, "content_index": 0}
    part = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
    item = {"id": "msg_1_0", "type": "message", "role": "assistant"}
    assert [{**event, "sequence_number": None} for event in found[2:-1]] == [
        {"sequence_number": None, **event}
        for event in (
            {
                "type": "response.output_item.added",
                "output_index": 0,
                "item": {**item, "status": "in_progress", "content": []},
            },
            {"type": "response.content_part.added", **place, "part": part},
            {"type": "response.output_text.delta", **place, "delta": "a", "logprobs": []},
            {"type": "response.output_text.delta", **place, "delta": "b", "logprobs": []},
            {"type": "response.output_text.done", **place, "text": "ab", "logprobs": []},
            {"type": "response.content_part.done", **place, "part": {**part, "text": "ab"}},
            {
                "type": "response.output_item.done",
                "output_index": 0,
                "item": {**item, "status": "completed", "content": [{**part, "text": "ab"}]},
            },
        )
    ]


@row("a function call of a stream")
def test_arguments_of_a_function_arrive_in_pieces() -> None:
    found = streamed(events(CALL, stop_reason="tool_use"))
    assert types(found)[2:5] == ["output_item.added"] + ["function_call_arguments.delta"] * 2
    assert types(found)[-3:] == ["function_call_arguments.done", "output_item.done", "completed"]
    assert found[-3]["arguments"] == '{"city": "Lima"}'
    assert found[2]["item"]["arguments"] == ""


def test_parallel_function_calls_are_items_behind_text_and_reasoning() -> None:
    second = {"toolUse": {"toolUseId": "id3", "name": "time", "input": {}}}
    found = streamed(events(REASONING, {"text": "I look."}, CALL, second, stop_reason="tool_use"))
    calls = assembled(found)[2:]
    assert [(item["call_id"], item["arguments"]) for item in calls] == [
        ("id1", '{"city": "Lima"}'),
        ("id3", "{}"),
    ]


@row("reasoning of a stream")
def test_reasoning_is_a_summary_in_pieces() -> None:
    found = streamed(events(REASONING, ENCRYPTED))
    assert types(found)[2:-1] == [
        "output_item.added",
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
        "output_item.done",
        "output_item.added",
        "output_item.done",
    ]
    assert found[2]["item"]["encrypted_content"] is None
    assert found[8]["item"]["encrypted_content"].startswith("converse:")


@row("the end of a stream")
@pytest.mark.parametrize(
    ("stop_reason", "last"), [("end_turn", "response.completed"), ("max_tokens", "response.incomplete")]
)
def test_a_stream_ends_with_the_whole_response(stop_reason: str, last: str) -> None:
    found = streamed(events({"text": "ab"}, stop_reason=stop_reason, serviceTier={"type": "flex"}))
    response = found[-1]["response"]
    assert found[-1]["type"] == last
    assert response["output"][0]["content"][0]["text"] == "ab"
    assert (response["usage"]["total_tokens"], response["service_tier"]) == (1115, "flex")
    assert found[-2]["item"]["status"] == response["status"]


@row("a stream that is lost")
def test_a_lost_stream_fails_with_the_output_so_far() -> None:
    found = streamed(events({"text": "abc"})[:3], error=ConnectionError("reset"))
    response = found[-1]["response"]
    assert types(found)[-2:] == ["output_text.delta", "failed"]
    assert response["status"] == "failed"
    assert response["error"]["code"] == "server_error"
    assert "reset" in response["error"]["message"]
    assert [(item["status"], item["content"][0]["text"]) for item in response["output"]] == [
        ("incomplete", "ab")
    ]


def test_a_stream_that_is_lost_before_its_content_fails() -> None:
    assert types(streamed([])) == ["created", "in_progress", "failed"]


@row("an error outside of the answer")
def test_an_error_outside_of_the_answer_is_the_last_event() -> None:
    assert error_event(stream_interrupted(ConnectionError("reset"))) == {
        "type": "error",
        "code": "stream_interrupted",
        "message": "The answer was interrupted and could not be continued: reset. It is incomplete.",
        "param": None,
        "sequence_number": 0,
    }


def test_events_are_numbered_from_0() -> None:
    found = streamed(events(REASONING, {"text": "ab"}, CALL))
    assert [event["sequence_number"] for event in found] == list(range(len(found)))


def test_events_arrive_before_the_stream_has_ended() -> None:
    seen = []

    class Live(Source):
        def __iter__(self) -> Any:
            for event in events({"text": "ab"}):
                seen.append(event)
                yield event

    iterator = response_events(mapped(stream=True), StreamingResponse(Live([])), id_="1", created=7)
    while next(iterator)["type"] != "response.output_text.delta":
        pass
    assert len(seen) == 2


BLOCKS = st.one_of(
    st.builds(lambda text: {"text": text}, st.text(min_size=1, max_size=5)),
    st.just(REASONING),
    st.just(ENCRYPTED),
    st.just(CALL),
    st.just(ANSWER_CALL),
)
STOP_REASONS = st.sampled_from(["end_turn", "tool_use", "max_tokens", "content_filtered"])


@given(st.lists(BLOCKS, max_size=5), st.booleans(), STOP_REASONS)
def test_the_events_of_an_answer_are_the_complete_response_in_pieces(
    blocks: list[Any], has_schema: bool, stop_reason: str
) -> None:
    request = mapped(text={"format": FORMAT} if has_schema else None, tools=[WEATHER])
    complete = response_object(request, answered(*blocks, stop_reason=stop_reason), id_="resp_1", created=7)
    found = streamed(events(*blocks, stop_reason=stop_reason), request)
    assert assembled(found) == complete["output"]
    assert found[-1] == {
        "type": f"response.{complete['status']}",
        "response": {**complete, "model": found[-1]["response"]["model"]},
        "sequence_number": len(found) - 1,
    }
