"""POST /responses against FakeBedrock."""

from __future__ import annotations

import json

from lambdas.streamed_response import StreamDeadline
from llmmanager.testing import Fault

PATH = "/responses"
HELLO = {"model": "Nova Lite", "input": "Hello", "store": False}
STREAM = {**HELLO, "stream": True}


def test_a_complete_response_has_text_usage_and_headers(api):
    received = api().post(PATH, HELLO)

    assert received.status == 200
    assert received.document["id"].startswith("resp_")
    assert received.document["status"] == "completed"
    assert received.document["output"][-1]["content"][0]["text"]
    assert received.document["usage"]["output_tokens"] > 0
    assert received.headers["x-llmmanager-model"] == "amazon.nova-lite-v1:0"


def test_a_streamed_response_ends_with_the_complete_one(api):
    streamed = api().post(PATH, STREAM)
    whole = api().post(PATH, HELLO).document

    assert [event["type"] for event in streamed.events][:2] == ["response.created", "response.in_progress"]
    last = streamed.events[-1]
    assert last["type"] == "response.completed"
    assert last["response"]["output"][-1]["content"] == whole["output"][-1]["content"]
    assert [event["sequence_number"] for event in streamed.events] == list(range(len(streamed.events)))
    assert b"event: response.completed\n" in streamed.body


def test_an_interrupted_response_has_failed(api, deployed):
    deployed.add_fault(Fault(error="modelStreamErrorException", after_chunks=2))

    assert api().post(PATH, STREAM).events[-1]["type"] == "response.failed"


def test_an_invalid_request_names_the_field(api, deployed):
    received = api().post(PATH, {**HELLO, "previous_response_id": "resp_1"})

    assert (received.status, received.document["error"]["param"]) == (400, "previous_response_id")
    assert not deployed.calls


def test_a_repeated_stream_with_a_key_is_the_same_stream(api, deployed):
    first = api().post(PATH, STREAM, Idempotency_Key="k1")
    second = api().post(PATH, STREAM, Idempotency_Key="k1")

    assert second.pieces == first.pieces
    assert len(deployed.calls) == 1


def test_a_stream_at_the_deadline_ends_with_an_error_event(api):
    pieces = iter(api().open("POST", PATH, STREAM).body)
    next(pieces)

    name, data, *_ = pieces.throw(StreamDeadline()).decode().split("\n")

    assert name == "event: error"
    document = json.loads(data.removeprefix("data: "))
    assert (document["type"], document["code"]) == ("error", "timeout")
    assert list(pieces) == []
