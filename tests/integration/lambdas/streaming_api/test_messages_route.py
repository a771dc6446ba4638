"""POST /messages, POST /messages/count_tokens and models in Anthropic's format, against FakeBedrock."""

from __future__ import annotations

import pytest

from llmmanager.testing import Fault

PATH = "/messages"
HELLO = {"model": "Nova Lite", "max_tokens": 2000, "messages": [{"role": "user", "content": "Hello"}]}
STREAM = {**HELLO, "stream": True}
VERSION = {"anthropic_version": "2023-06-01"}


def test_a_complete_message_has_text_usage_and_headers(api):
    received = api().post(PATH, HELLO)

    assert received.status == 200
    assert received.document["id"].startswith("msg_")
    assert received.document["content"][0]["text"]
    assert received.document["stop_reason"] == "end_turn"
    assert received.document["usage"]["output_tokens"] > 0
    assert received.headers["x-llmmanager-region"] == "us-east-1"


def test_a_streamed_message_has_the_text_of_the_complete_one(api):
    streamed = api().post(PATH, STREAM)

    assert [event["type"] for event in streamed.events][:2] == ["message_start", "ping"]
    assert streamed.events[-1] == {"type": "message_stop"}
    deltas = [event["delta"] for event in streamed.events if event["type"] == "content_block_delta"]
    whole = api().post(PATH, HELLO).document
    assert "".join(delta["text"] for delta in deltas) == whole["content"][0]["text"]
    assert b"event: message_stop\n" in streamed.body


def test_an_interrupted_message_ends_with_an_error_event(api, deployed):
    deployed.add_fault(Fault(error="modelStreamErrorException", after_chunks=2))

    streamed = api().post(PATH, STREAM)

    assert streamed.events[-1]["type"] == "error"
    assert b"message_stop" not in streamed.body


@pytest.mark.parametrize("path", [PATH, "/messages/count_tokens"])
def test_an_invalid_request_is_an_error_in_anthropic_s_format(api, deployed, path):
    received = api().post(path, {**HELLO, "messages": "Hello"})

    assert received.status == 400
    assert received.document["type"] == "error"
    assert received.document["error"]["type"] == "invalid_request_error"
    assert received.document["error"]["message"].startswith("messages: ")
    assert received.document["request_id"] == received.headers["request-id"]
    assert not deployed.calls


def test_an_unknown_model_is_a_not_found_error(api):
    received = api().post(PATH, {**HELLO, "model": "claude-unknown"})

    assert (received.status, received.document["error"]["type"]) == (404, "not_found_error")


def test_tokens_are_counted_without_an_answer(api, deployed):
    body = {name: value for name, value in HELLO.items() if name != "max_tokens"}

    received = api().post("/messages/count_tokens", body)

    assert received.status == 200
    assert received.document["input_tokens"] > 0
    assert {call.operation for call in deployed.calls} <= {"CountTokens"}


def test_an_estimated_count_is_marked_in_a_header(api, deployed):
    deployed.add_fault(Fault(error="AccessDeniedException", operation="CountTokens"))

    received = api().post("/messages/count_tokens", HELLO)

    assert received.status == 200
    assert received.headers["x-llmmanager-estimated"] == "true"


def test_models_are_listed_in_anthropic_s_format_for_its_clients(api):
    listed = api().get("/models", **VERSION).document

    assert [model["id"] for model in listed["data"]] == ["Nova Lite", "Nova Micro"]
    assert (listed["has_more"], listed["first_id"]) == (False, "Nova Lite")
    assert api().get("/models/Nova%20Micro", **VERSION).document["type"] == "model"


def test_a_repeated_stream_with_a_key_is_the_same_stream(api, deployed):
    first = api().post(PATH, STREAM, Idempotency_Key="k1")
    second = api().post(PATH, STREAM, Idempotency_Key="k1")

    assert second.pieces == first.pieces
    assert len(deployed.calls) == 1
