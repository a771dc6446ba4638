"""The tokens that FakeBedrock bills, also for lost answers."""

from __future__ import annotations

import json
import threading
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, EventStreamError, ReadTimeoutError
from urllib3.exceptions import HTTPError

from llmmanager.testing import Call, FakeBedrock, FakeCatalog, Fault, ModelUsage, TokenCount
from tests.waiting import PATIENCE_SECONDS, SILENCE_SECONDS, wait_until

# A prompt of 10 tokens, an answer of 40 tokens in 20 deltas. The burndown rate of `acme.talk` is 5.
PROMPT = "y" * 40
ANSWER = "bumbles " * 20
INPUT, OUTPUT, MAXIMUM = 10, 40, 1000
REQUEST: dict[str, Any] = {
    "modelId": "acme.talk-v1:0",
    "messages": [{"role": "user", "content": [{"text": PROMPT}]}],
}


@pytest.fixture
def bedrock(catalog: FakeCatalog) -> Any:
    with FakeBedrock(catalog, responder=lambda call: ANSWER) as fake:
        yield fake


def only(bedrock: FakeBedrock) -> ModelUsage:
    (row,) = bedrock.usage()
    return row


def read_all(client: Any) -> list[Any]:
    return list(client.converse_stream(**REQUEST)["stream"])


def test_answers_are_billed_by_model_region_and_access_method(bedrock: FakeBedrock, send_prompt: Any) -> None:
    ways = [
        ("acme.plain", "us-west-2", "on_demand", "acme.plain"),
        ("acme.talk-v1:0", "eu-west-1", "geo", "eu.acme.talk-v1:0"),
        ("acme.talk-v1:0", "eu-west-1", "global", "global.acme.talk-v1:0"),
        ("acme.talk-v1:0", "us-east-1", "on_demand", "acme.talk-v1:0"),
    ]
    answers = [
        send_prompt(PROMPT, modelId=invoked, region=region) for _, region, _, invoked in ways for _ in "12"
    ]
    rows = bedrock.usage()
    assert [(row.model_id, row.region, row.access_method) for row in rows] == [way[:3] for way in ways]
    assert {(row.answers, row.lost_answers, row.billed.total_tokens) for row in rows} == {
        (2, 0, 2 * (INPUT + OUTPUT))
    }
    assert bedrock.billed.total_tokens == sum(answer["usage"]["totalTokens"] for answer in answers)
    assert [row.region for row in bedrock.usage(model_id="acme.plain")] == ["us-west-2"]
    with pytest.raises(TypeError, match="not model"):
        bedrock.usage(model="acme.plain")


def test_converse_and_converse_stream_bill_the_reported_tokens(
    bedrock: FakeBedrock, client: Any, send_prompt: Any
) -> None:
    reported = [send_prompt(PROMPT)["usage"], read_all(client)[-1]["metadata"]["usage"]]
    assert [call.usage for call in bedrock.calls] == reported
    assert bedrock.delivered == bedrock.billed == TokenCount(input_tokens=2 * INPUT, output_tokens=2 * OUTPUT)


def test_cache_writes_and_reads_are_billed_separately(bedrock: FakeBedrock, send_prompt: Any) -> None:
    cached = [{"text": "z" * 80}, {"cachePoint": {"type": "default"}}, {"text": PROMPT}]
    for _ in range(3):
        send_prompt(messages=[{"role": "user", "content": cached}])
    row = only(bedrock)
    assert row.billed == TokenCount(
        input_tokens=3 * INPUT, output_tokens=3 * OUTPUT, cache_read_tokens=40, cache_write_tokens=20
    )
    assert row.settled_tokens == 3 * (INPUT + 5 * OUTPUT) + 20
    assert row.reserved_tokens == 3 * (INPUT + 20 + MAXIMUM)


@pytest.mark.parametrize(("most", "reserved"), [(None, MAXIMUM), (50, 50)])
def test_reserved_and_settled_quota_tokens_are_reported(
    bedrock: FakeBedrock, send_prompt: Any, most: int | None, reserved: int
) -> None:
    send_prompt(PROMPT, **({"inferenceConfig": {"maxTokens": most}} if most else {}))
    row = only(bedrock)
    assert (row.reserved_tokens, row.settled_tokens) == (INPUT + reserved, INPUT + 5 * OUTPUT)


@pytest.mark.parametrize("operation", ["converse", "converse_stream"])
@pytest.mark.parametrize(
    ("fault", "error", "code"),
    [
        ({"reset": True}, ConnectionClosedError, "reset"),
        ({"hang": True}, ReadTimeoutError, "hang"),
        ({"error": "ModelTimeoutException"}, ClientError, "ModelTimeoutException"),
    ],
)
def test_an_answer_that_is_generated_and_then_lost_is_billed(
    bedrock: FakeBedrock, operation: str, fault: Any, error: type[Exception], code: str
) -> None:
    read_timeout = SILENCE_SECONDS if "hang" in fault else PATIENCE_SECONDS
    client = bedrock.client(config=Config(read_timeout=read_timeout))
    bedrock.add_fault(Fault(**fault, billed=True))
    with pytest.raises(error):
        getattr(client, operation)(**REQUEST)
    wait_until(lambda: bedrock.calls and not bedrock.in_flight)
    row = only(bedrock)
    assert (row.answers, row.lost_answers) == (1, 1)
    assert row.billed == row.lost == TokenCount(input_tokens=INPUT, output_tokens=OUTPUT)
    assert row.delivered == TokenCount()
    call = bedrock.calls[-1]
    assert (call.answer_lost, call.error_code) == (True, code)
    assert call.usage == row.billed.usage


def test_an_answer_is_billed_after_its_client_disconnects(catalog: FakeCatalog) -> None:
    caller_left = threading.Event()

    def answer_too_late(_: Call) -> str:
        assert caller_left.wait(PATIENCE_SECONDS)
        return ANSWER

    with FakeBedrock(catalog, responder=answer_too_late) as bedrock:
        client = bedrock.client(config=Config(read_timeout=SILENCE_SECONDS))
        with pytest.raises(ReadTimeoutError):
            client.converse(**REQUEST)
        caller_left.set()
        wait_until(lambda: bedrock.calls and not bedrock.in_flight)
    call = bedrock.calls[-1]
    assert (call.status, call.error_code, call.answer_lost) == (None, "disconnected", True)
    assert bedrock.billed == TokenCount(input_tokens=INPUT, output_tokens=OUTPUT)
    assert bedrock.delivered == TokenCount()


@pytest.mark.parametrize(
    "fault", [{"reset": True}, {"hang": True}, {"error": "modelStreamErrorException"}], ids=str
)
def test_an_interrupted_stream_is_billed_up_to_the_interruption(
    bedrock: FakeBedrock, client: Any, fault: Any, shorten_read_timeout: Any
) -> None:
    bedrock.add_fault(Fault(**fault, after_chunks=5))
    stream = client.converse_stream(**REQUEST)["stream"]
    events = iter(stream)
    for _ in range(1 + 5):
        next(events)
    if "hang" in fault:
        shorten_read_timeout(stream)
    with pytest.raises((EventStreamError, HTTPError)):
        next(events)
    stream.close()
    wait_until(lambda: not bedrock.in_flight)
    row = only(bedrock)
    assert row.billed == row.lost == TokenCount(input_tokens=INPUT, output_tokens=OUTPUT // 4)
    assert row.settled_tokens == INPUT + 5 * (OUTPUT // 4)


def test_a_closed_stream_is_billed_up_to_the_close(bedrock: FakeBedrock, client: Any) -> None:
    bedrock.set_latency(per_chunk=PATIENCE_SECONDS)
    stream = client.converse_stream(**REQUEST)["stream"]
    for event in stream:
        if "contentBlockDelta" in event:
            break
    stream.close()
    wait_until(lambda: not bedrock.in_flight)
    row = only(bedrock)
    assert (row.answers, row.lost_answers) == (1, 1)
    assert 0 < row.billed.output_tokens < OUTPUT
    assert bedrock.calls[-1].error_code == "disconnected"


def test_a_rejected_call_is_not_billed(bedrock: FakeBedrock, send_prompt: Any, error_of: Any) -> None:
    bedrock.add_fault(Fault(error="ThrottlingException", count=1))
    error_of(send_prompt)
    error_of(send_prompt, inferenceConfig={"maxTokens": MAXIMUM + 1})
    bedrock.set_quota(requests_per_minute=0)
    error_of(send_prompt)
    assert bedrock.usage() == ()
    assert {call.usage for call in bedrock.calls} == {None}


def test_a_billed_fault_does_not_affect_calls_without_an_answer(bedrock: FakeBedrock, client: Any) -> None:
    bedrock.add_fault(Fault(reset=True, billed=True))
    client.count_tokens(modelId="acme.talk-v1:0", input={"converse": {"messages": REQUEST["messages"]}})
    bedrock.client("bedrock").list_foundation_models()


def test_a_stream_holds_its_reservation_until_it_ends(
    bedrock: FakeBedrock, client: Any, send_prompt: Any, error_of: Any
) -> None:
    bedrock.set_quota(tokens_per_minute=INPUT + MAXIMUM + 500)
    bedrock.set_latency(per_chunk=PATIENCE_SECONDS, operation="ConverseStream")
    stream = client.converse_stream(**REQUEST)["stream"]
    next(iter(stream))
    assert error_of(send_prompt)[0] == "ThrottlingException"
    stream.close()
    wait_until(lambda: not bedrock.in_flight)
    send_prompt()


def test_usage_is_counted_correctly_from_many_threads(bedrock: FakeBedrock) -> None:
    client = bedrock.client()
    bedrock.add_fault(Fault(error="ThrottlingException", share=0.3))

    def run(_: int) -> int:
        try:
            return int(client.converse(**REQUEST)["usage"]["totalTokens"])
        except ClientError:
            return 0

    with ThreadPoolExecutor(16) as pool:
        reported = sum(pool.map(run, range(200)))
    assert bedrock.billed.total_tokens == bedrock.delivered.total_tokens == reported


def test_a_reset_removes_the_bill(bedrock: FakeBedrock, send_prompt: Any) -> None:
    send_prompt()
    bedrock.reset()
    assert bedrock.usage() == ()
    assert bedrock.billed == TokenCount()


@pytest.fixture
def control(bedrock: FakeBedrock) -> Callable[..., Any]:
    def call(path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(
            f"{bedrock.endpoint_url}/_fake/{path}", data, timeout=PATIENCE_SECONDS
        ) as answer:
            return json.load(answer)

    return call


def test_usage_is_reported_over_http(bedrock: FakeBedrock, send_prompt: Any, control: Any) -> None:
    bedrock.add_fault(Fault(error="ServiceUnavailableException", billed=True, count=1))
    with pytest.raises(ClientError):
        send_prompt(PROMPT)
    usage = send_prompt(PROMPT)["usage"]
    doubled = {name: 2 * tokens for name, tokens in usage.items()}
    assert control("usage") == {
        "usage": [
            {
                "model_id": "acme.talk-v1:0",
                "region": "us-east-1",
                "access_method": "on_demand",
                "service_tier": "default",
                "answers": 2,
                "lost_answers": 1,
                "billed": doubled,
                "lost": usage,
                "delivered": usage,
                "reserved_tokens": 2 * (INPUT + MAXIMUM),
                "settled_tokens": 2 * (INPUT + 5 * OUTPUT),
            }
        ],
        "billed": doubled,
        "delivered": usage,
    }


def test_the_quota_window_is_exported_and_can_be_changed(bedrock: FakeBedrock, control: Any) -> None:
    assert bedrock.environment["LLMMANAGER_QUOTA_WINDOW_SECONDS"] == "60"
    rules = {"window_seconds": 2.5, "quotas": [{"tokens_per_minute": 100, "model": "acme.plain"}]}
    control("rules", rules)
    assert bedrock.window_seconds == 2.5
    assert bedrock.environment["LLMMANAGER_QUOTA_WINDOW_SECONDS"] == "2.5"
    answer = control("quotas")
    assert answer["window_seconds"] == 2.5
    assert [(q["tokens_per_minute"], q["model"]) for q in answer["quotas"]] == [(100, "acme.plain")]
    with pytest.raises(ValueError, match="window_seconds must be more than 0"):
        bedrock.set_window(0)


@pytest.mark.parametrize("fields", [{"billed": "yes"}, {"billed": True, "after_chunks": 3}])
def test_an_invalid_billed_fault_is_rejected(fields: Any) -> None:
    with pytest.raises(ValueError, match="billed"):
        Fault(reset=True, **fields)
