"""Answers as events: streamed and complete."""

from __future__ import annotations

from typing import Any

import pytest

from lambdas.streaming_api.answer_events import (
    AnswerEnd,
    AnswerUsage,
    BlockEnd,
    CitationEvent,
    ReasoningDelta,
    TextDelta,
    ToolCallDelta,
    ToolCallStart,
    answer_events,
    response_events,
)
from lambdas.streaming_api.mapped_request import MappedRequest
from llmmanager import BedrockResponse


def request(answer_tool: str | None = None, *, one_tool_call: bool = False) -> MappedRequest:
    return MappedRequest(
        models=("Nova Lite",),
        converse={},
        stream=True,
        ignored=(),
        origins={},
        tool_names={"short": "a.long.name"},
        answer_tool=answer_tool,
        one_tool_call=one_tool_call,
    )


def start(block: int, name: str, **more: Any) -> dict[str, Any]:
    use = {"toolUseId": f"id{block}", "name": name, **more}
    return {"contentBlockStart": {"contentBlockIndex": block, "start": {"toolUse": use}}}


def delta(block: int, **delta: Any) -> dict[str, Any]:
    return {"contentBlockDelta": {"contentBlockIndex": block, "delta": delta}}


def stop(block: int) -> dict[str, Any]:
    return {"contentBlockStop": {"contentBlockIndex": block}}


def end(reason: str) -> dict[str, Any]:
    return {"messageStop": {"stopReason": reason}}


def test_of_an_answer_with_several_tool_calls_only_the_first_is_returned_if_it_may_have_one() -> None:
    events = [
        delta(0, text="Let me see."),
        stop(0),
        start(1, "weather"),
        delta(1, toolUse={"input": '{"city": "Lima"}'}),
        stop(1),
        start(2, "clock"),
        delta(2, toolUse={"input": '{"city": "Lima"}'}),
        stop(2),
        start(3, "clock"),
        stop(3),
        end("tool_use"),
    ]
    assert list(answer_events(request(one_tool_call=True), events)) == [
        TextDelta(0, "Let me see."),
        BlockEnd(0),
        ToolCallStart(1, 0, "id1", "weather"),
        ToolCallDelta(1, 0, '{"city": "Lima"}'),
        BlockEnd(1),
        AnswerEnd("tool_use"),
    ]


def test_a_tool_call_without_an_id_and_a_name_is_part_of_the_answer() -> None:
    started = {"contentBlockStart": {"contentBlockIndex": 0, "start": {"toolUse": {}}}}
    found = list(answer_events(request(), [started, stop(0), end("tool_use")]))
    assert found[0] == ToolCallStart(0, 0, "", "")
    assert found[-1] == AnswerEnd("tool_use")


def test_tool_calls_are_counted_from_0_behind_text_and_reasoning() -> None:
    events = [
        {"messageStart": {"role": "assistant"}},
        delta(0, reasoningContent={"text": "Hm"}),
        delta(0, reasoningContent={"signature": "s"}),
        stop(0),
        delta(1, text="Let me see."),
        stop(1),
        start(2, "short"),
        delta(2, toolUse={"input": '{"a":'}),
        delta(2, toolUse={"input": "1}"}),
        stop(2),
        start(3, "other"),
        stop(3),
        end("tool_use"),
        {"metadata": {"usage": {"inputTokens": 1}}},
    ]
    assert list(answer_events(request(), events)) == [
        ReasoningDelta(0, "Hm"),
        ReasoningDelta(0, signature="s"),
        BlockEnd(0),
        TextDelta(1, "Let me see."),
        BlockEnd(1),
        ToolCallStart(2, 0, "id2", "a.long.name"),
        ToolCallDelta(2, 0, '{"a":'),
        ToolCallDelta(2, 0, "1}"),
        BlockEnd(2),
        ToolCallStart(3, 1, "id3", "other"),
        ToolCallDelta(3, 1, "{}"),
        BlockEnd(3),
        AnswerEnd("tool_use"),
        AnswerUsage({"inputTokens": 1}),
    ]


def test_the_arguments_of_the_answer_tool_are_the_text_of_the_answer() -> None:
    events = [
        delta(0, text="I answer with the tool."),
        stop(0),
        start(1, "answer"),
        delta(1, toolUse={"input": '{"a":1}'}),
        stop(1),
        end("tool_use"),
    ]
    assert list(answer_events(request("answer"), events)) == [
        TextDelta(1, '{"a":1}'),
        BlockEnd(1),
        AnswerEnd("end_turn"),
    ]


def test_text_is_the_answer_if_the_answer_tool_is_not_called() -> None:
    events = [delta(0, text='{"a":'), delta(0, text="1}"), stop(0), end("end_turn")]
    assert list(answer_events(request("answer"), events)) == [
        TextDelta(0, '{"a":1}'),
        BlockEnd(0),
        AnswerEnd("end_turn"),
    ]


def test_a_call_of_another_tool_beside_the_answer_tool_is_a_tool_call() -> None:
    events = [start(0, "f"), delta(0, toolUse={"input": "{}"}), stop(0), end("end_turn")]
    assert list(answer_events(request("answer"), events))[-1] == AnswerEnd("tool_use")


def test_tools_that_bedrock_runs_itself_are_no_calls_for_the_client() -> None:
    events = [
        start(0, "nova_grounding", type="server_tool_use"),
        delta(0, toolUse={"input": "{}"}),
        stop(0),
        delta(1, toolResult=[{"text": "found"}]),
        stop(1),
        delta(2, text="It is so."),
        stop(2),
        end("end_turn"),
    ]
    assert list(answer_events(request(), events)) == [
        TextDelta(2, "It is so."),
        BlockEnd(2),
        AnswerEnd("end_turn"),
    ]


def test_an_interrupted_stream_has_no_end() -> None:
    assert list(answer_events(request(), [delta(0, text="a")])) == [TextDelta(0, "a")]


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        ({"text": "a"}, [TextDelta(0, "a")]),
        (
            {"citationsContent": {"content": [{"text": "a"}], "citations": [{"title": "b"}]}},
            [TextDelta(0, "a"), CitationEvent(0, {"title": "b"})],
        ),
        (
            {"reasoningContent": {"reasoningText": {"text": "a", "signature": "s"}}},
            [ReasoningDelta(0, "a"), ReasoningDelta(0, signature="s")],
        ),
        ({"reasoningContent": {"redactedContent": b"x"}}, [ReasoningDelta(0, encrypted=b"x")]),
        (
            {"toolUse": {"toolUseId": "1", "name": "short", "input": {"a": "ä"}}},
            [ToolCallStart(0, 0, "1", "a.long.name"), ToolCallDelta(0, 0, '{"a": "ä"}')],
        ),
    ],
)
def test_a_complete_answer_has_the_events_of_a_streamed_one(block: Any, expected: list[Any]) -> None:
    data = {
        "output": {"message": {"content": [block]}},
        "stopReason": "end_turn",
        "usage": {"inputTokens": 1},
    }
    events = list(response_events(request(), BedrockResponse(success=True, response_data=data)))
    assert events[: len(expected)] == expected
    assert events[len(expected)] == BlockEnd(0)
    assert events[-1] == AnswerUsage({"inputTokens": 1})


def test_token_counts_of_another_type_count_as_0() -> None:
    usage = AnswerUsage({"inputTokens": "3", "outputTokens": None, "cacheReadInputTokens": 2})
    assert (usage.input, usage.output, usage.cache_read, usage.all_input) == (0, 0, 2, 2)


def test_citations_are_events_unless_the_answer_is_json() -> None:
    events = [delta(0, text="a"), delta(0, citation={"title": "b"}), stop(0), end("end_turn")]
    assert CitationEvent(0, {"title": "b"}) in list(answer_events(request(), events))
    assert [type(event) for event in answer_events(request("answer"), events)] == [
        TextDelta,
        BlockEnd,
        AnswerEnd,
    ]


@pytest.mark.parametrize(
    ("reported", "expected"),
    [({"stop_sequence": "END"}, "END"), ({"stop_sequence": None}, None), ({}, None), (None, None)],
)
def test_the_end_has_the_stop_sequence_that_the_model_reports(reported: Any, expected: str | None) -> None:
    last = {"messageStop": {"stopReason": "stop_sequence", "additionalModelResponseFields": reported}}
    assert list(answer_events(request(), [last])) == [AnswerEnd("stop_sequence", expected)]
    data = {
        "output": {"message": {"content": []}},
        "stopReason": "stop_sequence",
        "additionalModelResponseFields": reported,
    }
    response = BedrockResponse(success=True, response_data=data)
    assert list(response_events(request(), response)) == [AnswerEnd("stop_sequence", expected)]
