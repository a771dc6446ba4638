"""ConverseStream, as boto3 parses it."""

from __future__ import annotations

import json
import socket
import struct
from typing import Any

import pytest
from botocore.exceptions import EventStreamError
from urllib3.exceptions import ProtocolError, ReadTimeoutError

from llmmanager.testing import FakeBedrock, Fault, ServiceError
from tests.waiting import PATIENCE_SECONDS, wait_until

PROMPT = [{"role": "user", "content": [{"text": "Tell me about bees and honey"}]}]
WEATHER = {
    "tools": [
        {
            "toolSpec": {
                "name": "get_weather",
                "description": "The weather of a city",
                "inputSchema": {
                    "json": {
                        "type": "object",
                        "properties": {"city": {"type": "string"}},
                        "required": ["city"],
                    }
                },
            }
        }
    ]
}


def stream(client: Any, **request: Any) -> Any:
    return client.converse_stream(**{"modelId": "acme.talk-v1:0", "messages": PROMPT, **request})["stream"]


def collect(events: Any) -> tuple[list[str], BaseException | None]:
    """Return the names of the received events and the error that ended the stream."""
    names = []
    try:
        for event in events:
            names.append(next(iter(event)))
    except (EventStreamError, ProtocolError, ReadTimeoutError) as error:
        return names, error
    finally:
        events.close()
    return names, None


def text_of(events: list[dict[str, Any]]) -> str:
    deltas = [event["contentBlockDelta"]["delta"] for event in events if "contentBlockDelta" in event]
    return "".join(delta["text"] for delta in deltas)


def test_a_stream_has_the_text_of_converse_and_the_event_order_of_bedrock(
    client: Any, send_prompt: Any
) -> None:
    events = list(stream(client, inferenceConfig={"maxTokens": 20}))
    names = [next(iter(event)) for event in events]
    assert names[0] == "messageStart"
    assert set(names[1:-3]) == {"contentBlockDelta"}
    assert len(names) > 6
    assert names[-3:] == ["contentBlockStop", "messageStop", "metadata"]
    whole = send_prompt(messages=PROMPT, inferenceConfig={"maxTokens": 20})
    assert text_of(events) == whole["output"]["message"]["content"][0]["text"]
    assert events[-2]["messageStop"]["stopReason"] == whole["stopReason"] == "max_tokens"
    assert events[-1]["metadata"]["usage"] == whole["usage"]


def test_text_with_unusual_white_space_is_streamed_unchanged(catalog: Any) -> None:
    text = "  \n one\ttwo  \u2019 \U0001f41d\n\n"
    with FakeBedrock(catalog, responder=lambda call: text) as bedrock:
        assert text_of(list(stream(bedrock.client()))) == text


def test_a_tool_call_is_streamed_as_parts_of_json(client: Any) -> None:
    events = list(
        stream(
            client,
            messages=[{"role": "user", "content": [{"text": "What is the weather in Paris?"}]}],
            toolConfig=WEATHER,
        )
    )
    start = next(event["contentBlockStart"] for event in events if "contentBlockStart" in event)
    assert start["start"]["toolUse"]["name"] == "get_weather"
    pieces = [
        event["contentBlockDelta"]["delta"]["toolUse"]["input"]
        for event in events
        if "contentBlockDelta" in event
    ]
    assert json.loads("".join(pieces)) == {"city": "Paris"}
    assert events[-2]["messageStop"]["stopReason"] == "tool_use"


def test_an_error_is_returned_before_the_stream(client: Any, error_of: Any) -> None:
    code, status, _ = error_of(stream, client, modelId="unknown.model")
    assert (code, status) == ("ValidationException", 400)


@pytest.mark.parametrize(
    "code",
    [
        "ThrottlingException",
        "ValidationException",
        "InternalServerException",
        "ModelStreamErrorException",
        "ServiceUnavailableException",
    ],
)
def test_a_stream_ends_with_an_exception_after_the_given_number_of_chunks(
    bedrock: FakeBedrock, client: Any, code: str
) -> None:
    bedrock.add_fault(Fault(error=code, message="Enough.", after_chunks=3))
    names, error = collect(stream(client))
    assert names == ["messageStart", *["contentBlockDelta"] * 3]
    assert isinstance(error, EventStreamError)
    assert error.response["Error"] == {"Code": code[0].lower() + code[1:], "Message": "Enough."}
    assert bedrock.calls[-1].error_code == code
    assert bedrock.calls[-1].status == 200


def test_an_error_outside_the_stream_model_is_sent_as_an_unmodeled_error(
    bedrock: FakeBedrock, client: Any
) -> None:
    bedrock.add_fault(Fault(error="ModelTimeoutException", after_chunks=0))
    names, error = collect(stream(client))
    assert names == ["messageStart"]
    assert isinstance(error, EventStreamError)
    assert error.response["Error"]["Code"] == "ModelTimeoutException"


def test_a_stream_with_fewer_chunks_than_the_fault_still_ends_early(
    bedrock: FakeBedrock, client: Any
) -> None:
    bedrock.add_fault(Fault(error="ThrottlingException", after_chunks=10_000))
    names, error = collect(stream(client, inferenceConfig={"maxTokens": 2}))
    assert names[-1] == "contentBlockStop"
    assert isinstance(error, EventStreamError)


def test_a_stream_delivers_its_events_before_the_connection_closes(bedrock: FakeBedrock, client: Any) -> None:
    bedrock.add_fault(Fault(reset=True, after_chunks=4))
    names, error = collect(stream(client))
    assert names == ["messageStart", *["contentBlockDelta"] * 4]
    assert isinstance(error, ProtocolError)
    assert bedrock.calls[-1].error_code == "reset"


def test_a_hanging_stream_sends_nothing_more(
    bedrock: FakeBedrock, client: Any, shorten_read_timeout: Any
) -> None:
    bedrock.add_fault(Fault(hang=True, after_chunks=1))
    events = iter(silent := stream(client))
    assert [next(iter(next(events))) for _ in range(2)] == ["messageStart", "contentBlockDelta"]
    shorten_read_timeout(silent)
    with pytest.raises(ReadTimeoutError):
        next(events)
    silent.close()


def test_a_stream_can_end_early_without_an_error(bedrock: FakeBedrock, client: Any) -> None:
    bedrock.add_fault(Fault(stream_fault="early_end", after_chunks=4))
    assert collect(stream(client)) == (["messageStart", *["contentBlockDelta"] * 4], None)
    call = bedrock.calls[-1]
    assert (call.status, call.error_code, call.answer_lost) == (200, "early_end", True)


def test_a_stream_without_metadata_is_whole_except_for_its_usage(bedrock: FakeBedrock, client: Any) -> None:
    whole = text_of(list(stream(client)))
    bedrock.add_fault(Fault(stream_fault="no_metadata"))
    events = list(stream(client))
    assert text_of(events) == whole
    assert "messageStop" in events[-1]
    assert bedrock.calls[-1].usage == bedrock.calls[0].usage
    assert not bedrock.calls[-1].answer_lost


def test_a_garbled_event_takes_the_place_of_one_delta(bedrock: FakeBedrock, client: Any) -> None:
    whole = list(stream(client))
    bedrock.add_fault(Fault(stream_fault="garbled_event", after_chunks=2))
    events = list(stream(client))
    # botocore gives an event without members for invalid JSON.
    assert [event for event in events if event.get("contentBlockDelta") == {}] == events[3:4]
    assert text_of([*events[:3], *events[4:]]) == text_of([*whole[:3], *whole[4:]])
    assert events[-2] == whole[-2]


def test_a_fault_for_streams_does_not_affect_converse(
    bedrock: FakeBedrock, client: Any, send_prompt: Any
) -> None:
    bedrock.add_fault(Fault(error="ThrottlingException", after_chunks=0, count=1))
    send_prompt()
    assert collect(stream(client))[1] is not None
    assert collect(stream(client))[1] is None


def test_a_model_without_streaming_rejects_a_stream(client: Any, error_of: Any) -> None:
    assert error_of(stream, client, modelId="acme.bare")[2] == "The model is unsupported for streaming."


def test_tools_in_streaming_mode_are_rejected_with_bedrocks_message(client: Any, error_of: Any) -> None:
    _, _, message = error_of(stream, client, modelId="acme.plain", toolConfig=WEATHER)
    assert message == "This model doesn't support tool use in streaming mode."


def test_a_responder_can_reject_a_stream(catalog: Any, error_of: Any) -> None:
    def reject(call: Any) -> str:
        raise ServiceError("ModelNotReadyException")

    with FakeBedrock(catalog, responder=reject) as bedrock:
        assert error_of(stream, bedrock.client())[:2] == ("ModelNotReadyException", 429)


def test_the_log_records_a_client_that_closes_a_stream(bedrock: FakeBedrock) -> None:
    bedrock.set_latency(0, per_chunk=PATIENCE_SECONDS)
    events = stream(bedrock.client())
    next(iter(events))
    events.close()
    wait_until(lambda: not bedrock.in_flight)
    assert bedrock.calls[-1].error_code == "disconnected"


def test_the_log_records_a_client_that_resets_the_connection(bedrock: FakeBedrock) -> None:
    # A client that closes a connection with unread data resets it.
    bedrock.set_latency(0, per_chunk=PATIENCE_SECONDS * 2)
    events = stream(bedrock.client())
    next(iter(events))
    connection = events._raw_stream._fp.fp.raw._sock
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    events.close()
    wait_until(lambda: not bedrock.in_flight)
    assert bedrock.calls[-1].error_code == "disconnected"
