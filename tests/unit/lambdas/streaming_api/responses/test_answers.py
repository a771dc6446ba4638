"""Responses from complete answers."""

from __future__ import annotations

from typing import Any

import pytest

from lambdas.streaming_api.json_answer import answer_validation
from lambdas.streaming_api.responses.answer import response_object
from lambdas.streaming_api.responses.request import ResponsesRequest
from tests.unit.lambdas.streaming_api.answers import ANSWER_CALL, CALL, ENCRYPTED, REASONING, answered
from tests.unit.lambdas.streaming_api.responses.bodies import FORMAT, WEATHER, mapped, text, user
from tests.unit.lambdas.streaming_api.rows import row

CITED = {"citationsContent": {"content": [{"text": "It is so."}], "citations": [{"title": "A"}]}}


def complete(*blocks: Any, request: ResponsesRequest | None = None, **more: Any) -> Any:
    return response_object(request or mapped(), answered(*blocks, **more), id_="resp_1", created=7)


@row("text")
def test_a_response_has_the_text_of_the_answer() -> None:
    assert complete({"text": "Hello"}) == {
        "id": "resp_1",
        "object": "response",
        "created_at": 7,
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "model": "amazon.nova-lite-v1:0",
        "output": [
            {
                "id": "msg_1_0",
                "type": "message",
                "status": "completed",
                "role": "assistant",
                "content": [{"type": "output_text", "text": "Hello", "annotations": [], "logprobs": []}],
            }
        ],
        "usage": {
            "input_tokens": 1110,
            "input_tokens_details": {"cached_tokens": 100, "cache_write_tokens": 1000},
            "output_tokens": 5,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 1115,
        },
        **mapped().repeated,
    }


def test_each_block_is_an_item_of_its_own() -> None:
    output = complete(REASONING, {"text": "I look."}, CALL, CITED, stop_reason="tool_use")["output"]
    assert [item["id"] for item in output] == ["rs_1_0", "msg_1_1", "fc_1_2", "msg_1_3"]
    assert output[3]["content"][0]["text"] == "It is so."


def test_an_empty_answer_has_no_items() -> None:
    assert complete({"text": ""})["output"] == []


@row("`toolUse`")
def test_a_function_call_has_arguments_as_json_text() -> None:
    assert complete(CALL, stop_reason="tool_use")["output"] == [
        {
            "id": "fc_1_0",
            "type": "function_call",
            "status": "completed",
            "call_id": "id1",
            "name": "weather",
            "arguments": '{"city": "Lima"}',
        }
    ]


def test_a_call_of_a_function_in_a_namespace_has_both_names() -> None:
    long = "n" * 64
    tool = {"type": "namespace", "name": "mcp", "description": "", "tools": [{**WEATHER, "name": long}]}
    request = mapped(tools=[tool])
    [sent] = request.tool_names
    use = {"toolUse": {"toolUseId": "1", "name": sent, "input": {}}}
    [item] = complete(use, request=request, stop_reason="tool_use")["output"]
    assert (item["namespace"], item["name"]) == ("mcp", long)


@row("`reasoningContent`")
def test_reasoning_is_an_item_that_can_be_sent_back_unchanged() -> None:
    output = complete(REASONING, ENCRYPTED, {"text": "Hello"})["output"]
    assert output[0]["summary"] == [{"type": "summary_text", "text": "Hm"}]
    assert output[1]["summary"] == []
    assert mapped(user(text("Hi")), *output, user(text("Go on"))).converse["messages"][1]["content"] == [
        REASONING,
        ENCRYPTED,
        {"text": "Hello"},
    ]


@row("`stopReason`")
@pytest.mark.parametrize(
    ("stop_reason", "status", "reason"),
    [
        ("end_turn", "completed", None),
        ("stop_sequence", "completed", None),
        ("tool_use", "completed", None),
        ("a_new_reason", "completed", None),
        ("max_tokens", "incomplete", "max_output_tokens"),
        ("model_context_window_exceeded", "incomplete", "max_output_tokens"),
        ("guardrail_intervened", "incomplete", "content_filter"),
        ("content_filtered", "incomplete", "content_filter"),
    ],
)
def test_an_answer_that_was_cut_off_is_incomplete(stop_reason: str, status: str, reason: Any) -> None:
    response = complete({"text": "a"}, CALL, stop_reason=stop_reason)
    assert response["status"] == status
    assert response["incomplete_details"] == (reason and {"reason": reason})
    assert [item["status"] for item in response["output"]] == ["completed", status]


@row("`usage`")
def test_input_tokens_include_those_of_the_cache() -> None:
    usage = complete({"text": "a"})["usage"]
    assert usage["input_tokens"] == 10 + 100 + 1000
    assert usage["output_tokens_details"] == {"reasoning_tokens": 0}
    assert complete({"text": "a"}, usage=None)["usage"] is None


@row("`serviceTier`")
@pytest.mark.parametrize(("tier", "expected"), [("flex", "flex"), ("reserved", "auto")])
def test_the_service_tier_is_reported_if_openai_has_it(tier: str, expected: str) -> None:
    assert complete({"text": "a"}, serviceTier={"type": tier})["service_tier"] == expected


@row("fields of the request")
def test_a_response_repeats_fields_of_the_request() -> None:
    fields: dict[str, Any] = {
        "instructions": "Be brief.",
        "tools": [WEATHER],
        "tool_choice": "required",
        "parallel_tool_calls": True,
        "temperature": 0.5,
        "max_output_tokens": 5,
        "text": {"format": {"type": "text"}, "verbosity": "low"},
        "metadata": {"a": "b"},
    }
    response = complete({"text": "a"}, request=mapped(**fields))
    assert {name: response[name] for name in fields} == fields


def test_a_response_has_the_defaults_of_missing_fields() -> None:
    response = complete({"text": "a"})
    assert (response["tools"], response["tool_choice"], response["parallel_tool_calls"]) == ([], "auto", True)
    assert (response["store"], response["metadata"]) == (False, {})
    assert response["text"]["format"] == {"type": "text"}


@row("the arguments of the answer's tool")
def test_the_arguments_of_the_answer_tool_are_text() -> None:
    request = mapped(text={"format": FORMAT})
    response = complete({"text": "I answer:"}, ANSWER_CALL, request=request, stop_reason="tool_use")
    [item] = response["output"]
    assert item["content"][0]["text"] == '{"celsius": 19}'
    assert response["status"] == "completed"


@row("a Markdown code block around JSON")
@pytest.mark.parametrize("answer", ['{"a": 1}', '```json\n{"a": 1}\n```'])
def test_json_is_taken_out_of_a_code_block(answer: str) -> None:
    request = mapped(text={"format": {"type": "json_object"}})
    [_, item] = complete(REASONING, {"text": answer}, request=request)["output"]
    assert item["content"][0]["text"] == '{"a": 1}'


@row("an answer that is not JSON")
def test_an_answer_that_must_be_json_is_validated() -> None:
    config = answer_validation(mapped(text={"format": {"type": "json_object"}}))
    assert config is not None
    assert config.response_validation_function(answered({"text": '{"a": 1}'})).success
    assert not config.response_validation_function(answered({"text": "Sure!"})).success
    assert answer_validation(mapped()) is None
