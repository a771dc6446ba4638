"""ConverseStream, as boto3 parses it."""

from __future__ import annotations

import json
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
    """The names of the events that came, and what ended them."""
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


def test_a_stream_says_what_converse_says_in_the_order_of_bedrock(client: Any, ask: Any) -> None:
    events = list(stream(client, inferenceConfig={"maxTokens": 20}))
    names = [next(iter(event)) for event in events]
    assert names[0] == "messageStart"
    assert set(names[1:-3]) == {"contentBlockDelta"}
    assert len(names) > 6
    assert names[-3:] == ["contentBlockStop", "messageStop", "metadata"]
    whole = ask(messages=PROMPT, inferenceConfig={"maxTokens": 20})
    assert text_of(events) == whole["output"]["message"]["content"][0]["text"]
    assert events[-2]["messageStop"]["stopReason"] == whole["stopReason"] == "max_tokens"
    assert events[-1]["metadata"]["usage"] == whole["usage"]


def test_text_with_odd_white_space_survives_the_stream(catalog: Any) -> None:
    said = "  \n one\ttwo  \u2019 \U0001f41d\n\n"
    with FakeBedrock(catalog, responder=lambda call: said) as bedrock:
        assert text_of(list(stream(bedrock.client()))) == said


def test_a_tool_call_is_streamed_as_pieces_of_json(client: Any) -> None:
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


def test_a_refusal_comes_before_the_stream(client: Any, refusal: Any) -> None:
    code, status, _ = refusal(stream, client, modelId="nobody.knows")
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
def test_a_stream_breaks_with_an_exception_after_so_many_chunks(
    bedrock: FakeBedrock, client: Any, code: str
) -> None:
    bedrock.add_fault(Fault(error=code, message="Enough.", after_chunks=3))
    names, error = collect(stream(client))
    assert names == ["messageStart", *["contentBlockDelta"] * 3]
    assert isinstance(error, EventStreamError)
    assert error.response["Error"] == {"Code": code[0].lower() + code[1:], "Message": "Enough."}
    assert bedrock.calls[-1].error_code == code
    assert bedrock.calls[-1].status == 200


def test_an_error_that_no_stream_declares_comes_as_an_unmodelled_one(
    bedrock: FakeBedrock, client: Any
) -> None:
    bedrock.add_fault(Fault(error="ModelTimeoutException", after_chunks=0))
    names, error = collect(stream(client))
    assert names == ["messageStart"]
    assert isinstance(error, EventStreamError)
    assert error.response["Error"]["Code"] == "ModelTimeoutException"


def test_a_stream_shorter_than_the_fault_still_breaks_before_its_end(
    bedrock: FakeBedrock, client: Any
) -> None:
    bedrock.add_fault(Fault(error="ThrottlingException", after_chunks=10_000))
    names, error = collect(stream(client, inferenceConfig={"maxTokens": 2}))
    assert names[-1] == "contentBlockStop"
    assert isinstance(error, EventStreamError)


def test_a_stream_that_loses_its_connection_has_delivered_what_it_sent(
    bedrock: FakeBedrock, client: Any
) -> None:
    bedrock.add_fault(Fault(reset=True, after_chunks=4))
    names, error = collect(stream(client))
    assert names == ["messageStart", *["contentBlockDelta"] * 4]
    assert isinstance(error, ProtocolError)
    assert bedrock.calls[-1].error_code == "reset"


def test_a_stream_that_falls_silent_leaves_the_client_waiting(
    bedrock: FakeBedrock, client: Any, shorten_read_timeout: Any
) -> None:
    bedrock.add_fault(Fault(hang=True, after_chunks=1))
    events = iter(silent := stream(client))
    assert [next(iter(next(events))) for _ in range(2)] == ["messageStart", "contentBlockDelta"]
    shorten_read_timeout(silent)
    with pytest.raises(ReadTimeoutError):
        next(events)
    silent.close()


def test_a_fault_for_streams_leaves_converse_alone(bedrock: FakeBedrock, client: Any, ask: Any) -> None:
    bedrock.add_fault(Fault(error="ThrottlingException", after_chunks=0, count=1))
    ask()
    assert collect(stream(client))[1] is not None
    assert collect(stream(client))[1] is None


def test_a_model_without_streaming_says_so(client: Any, refusal: Any) -> None:
    assert refusal(stream, client, modelId="acme.bare")[2] == "The model is unsupported for streaming."


def test_tools_in_streaming_mode_are_refused_in_these_words(client: Any, refusal: Any) -> None:
    _, _, message = refusal(stream, client, modelId="acme.plain", toolConfig=WEATHER)
    assert message == "This model doesn't support tool use in streaming mode."


def test_a_responder_may_refuse_a_stream(catalog: Any, refusal: Any) -> None:
    def refuse(call: Any) -> str:
        raise ServiceError("ModelNotReadyException")

    with FakeBedrock(catalog, responder=refuse) as bedrock:
        assert refusal(stream, bedrock.client())[:2] == ("ModelNotReadyException", 429)


def test_a_client_that_leaves_a_stream_is_noted(bedrock: FakeBedrock) -> None:
    bedrock.set_latency(0, per_chunk=PATIENCE_SECONDS)
    events = stream(bedrock.client())
    next(iter(events))
    events.close()
    wait_until(lambda: not bedrock.in_flight)
    assert bedrock.calls[-1].error_code == "disconnected"
