"""Latency, concurrent calls and the call log."""

from __future__ import annotations

import gc
import socket
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from llmmanager.testing import Call, FakeBedrock, call_log
from tests.waiting import PATIENCE_SECONDS, wait_until


def took(bedrock: FakeBedrock) -> float:
    call = bedrock.calls[-1]
    assert call.ended_at is not None
    return call.ended_at - call.started_at


def test_hundreds_of_calls_can_be_in_flight(bedrock: FakeBedrock) -> None:
    bedrock.set_latency(PATIENCE_SECONDS)
    body = '{"messages": [{"role": "user", "content": [{"text": "Hi"}]}]}'
    request = (
        "POST /model/acme.talk-v1%3A0/converse HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer anyone\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    )
    address = ("127.0.0.1", int(bedrock.endpoint_url.rpartition(":")[2]))
    links = [socket.create_connection(address, timeout=PATIENCE_SECONDS) for _ in range(400)]
    try:
        for link in links:
            link.sendall(request.encode())
        wait_until(lambda: bedrock.in_flight == 400)
        assert bedrock.peak_in_flight == 400
        assert all(call.in_flight for call in bedrock.calls)
    finally:
        for link in links:
            link.close()


def test_a_hundred_boto3_calls_in_parallel_are_all_answered(catalog: Any) -> None:
    ten_together = threading.Barrier(10, timeout=PATIENCE_SECONDS)

    def answer_ten_together(_: Call) -> None:
        ten_together.wait()

    with FakeBedrock(catalog, responder=answer_ten_together) as bedrock:
        client = bedrock.client()

        def converse(number: int) -> int:
            messages = [{"role": "user", "content": [{"text": f"Number {number}"}]}]
            answer = client.converse(modelId="acme.talk-v1:0", messages=messages)
            return int(answer["ResponseMetadata"]["HTTPStatusCode"])

        with ThreadPoolExecutor(100) as pool:
            assert set(pool.map(converse, range(100))) == {200}
    assert len({call.prompt for call in bedrock.calls}) == 100
    assert bedrock.peak_in_flight >= 10
    assert bedrock.in_flight == 0


def test_latency_delays_the_answer_and_is_part_of_its_metrics(bedrock: FakeBedrock, send_prompt: Any) -> None:
    bedrock.set_latency(0.1)
    assert send_prompt()["metrics"]["latencyMs"] >= 100
    assert took(bedrock) >= 0.1


def test_the_last_latency_that_covers_a_call_wins(bedrock: FakeBedrock, send_prompt: Any) -> None:
    bedrock.set_latency(PATIENCE_SECONDS)
    bedrock.set_latency(0.1, region="us-west-2")
    bedrock.set_latency(0, model="acme.plain")
    send_prompt(modelId="acme.plain")
    send_prompt(region="us-west-2")
    assert 0.1 <= took(bedrock) < PATIENCE_SECONDS


def test_a_latency_range_is_drawn_from_the_seed(catalog: Any) -> None:
    def latencies() -> list[float]:
        with FakeBedrock(catalog, seed=7) as bedrock:
            bedrock.set_latency((0.02, 0.08))
            for _ in range(4):
                bedrock.client().converse(
                    modelId="acme.talk-v1:0", messages=[{"role": "user", "content": [{"text": "Hi"}]}]
                )
            return [(call.ended_at or 0) - call.started_at for call in bedrock.calls]

    assert all(seconds >= 0.02 for seconds in latencies())


def test_a_stream_has_latencies_for_the_first_token_and_each_chunk(bedrock: FakeBedrock, client: Any) -> None:
    bedrock.set_latency(PATIENCE_SECONDS, first_token=0.1, per_chunk=0.02)
    events = client.converse_stream(
        modelId="acme.talk-v1:0",
        messages=[{"role": "user", "content": [{"text": "Hi"}]}],
        inferenceConfig={"maxTokens": 10},
    )["stream"]
    deltas = sum("contentBlockDelta" in event for event in events)
    assert took(bedrock) >= 0.1 + 0.02 * (deltas - 1)


@pytest.mark.parametrize(
    "latency", [{"seconds": -1}, {"seconds": (2, 1)}, {"per_chunk": (1, 2, 3)}, {"first_token": "soon"}]
)
def test_an_invalid_latency_is_rejected_by_field(bedrock: FakeBedrock, latency: Any) -> None:
    with pytest.raises(ValueError, match=next(iter(latency))):
        bedrock.set_latency(**latency)


def test_the_log_contains_times_and_result_of_each_call(
    bedrock: FakeBedrock, send_prompt: Any, error_of: Any
) -> None:
    before = time.monotonic()
    send_prompt(modelId="us.acme.talk-v1:0")
    error_of(send_prompt, modelId="unknown.model")
    good, bad = bedrock.calls
    assert good.ended_at is not None
    assert before <= good.started_at <= good.ended_at <= time.monotonic()
    assert (good.number, good.operation, good.region) == (1, "Converse", "us-east-1")
    assert (good.invoked_id, good.model_id, good.access_method) == (
        "us.acme.talk-v1:0",
        "acme.talk-v1:0",
        "geo",
    )
    assert (good.status, good.error_code, good.access_key_id) == (200, "", "testing")
    assert (bad.model_id, bad.access_method, bad.status) == ("", "", 400)


def test_the_log_contains_the_last_calls_only(catalog: Any) -> None:
    with FakeBedrock(catalog, log_limit=3) as bedrock:
        for _ in range(5):
            bedrock.client("bedrock").list_foundation_models()
        assert [call.number for call in bedrock.calls] == [3, 4, 5]


def test_the_log_drops_old_calls_with_large_bodies(
    bedrock: FakeBedrock, send_prompt: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(call_log, "_MAX_BYTES", 5000)
    for letter in "abc":
        send_prompt(letter * 2000)
    assert [call.prompt[0] for call in bedrock.calls] == ["b", "c"]
    send_prompt("d" * 6000)
    assert [call.prompt[0] for call in bedrock.calls] == ["d"]


def test_on_call_is_called_at_the_end_of_every_call(catalog: Any) -> None:
    heard: list[Any] = []
    with FakeBedrock(catalog, on_call=heard.append) as bedrock:
        bedrock.client("bedrock").list_foundation_models()
        assert heard == list(bedrock.calls)


def test_a_reset_removes_rules_calls_and_quotas(
    bedrock: FakeBedrock, send_prompt: Any, error_of: Any
) -> None:
    bedrock.set_quota(requests_per_minute=0)
    bedrock.close_region("us-east-1")
    bedrock.deny("acme.talk-v1:0")
    bedrock.set_latency(PATIENCE_SECONDS)
    error_of(send_prompt)
    bedrock.reset()
    assert bedrock.calls == ()
    send_prompt()


def test_stopping_closes_the_connections_of_calls_in_flight(catalog: Any) -> None:
    bedrock = FakeBedrock(catalog).start()
    bedrock.set_latency(PATIENCE_SECONDS)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(
            bedrock.client().converse,
            modelId="acme.talk-v1:0",
            messages=[{"role": "user", "content": [{"text": "Hi"}]}],
        )
        wait_until(lambda: bedrock.in_flight == 1)
        bedrock.stop()
        assert running.exception(timeout=PATIENCE_SECONDS) is not None
    assert bedrock.calls[-1].error_code == "reset"


def test_stopping_closes_connections_that_were_just_accepted(catalog: Any) -> None:
    with warnings.catch_warnings(record=True) as unclosed:
        warnings.simplefilter("always", ResourceWarning)
        for _ in range(20):
            bedrock = FakeBedrock(catalog).start()
            address = ("127.0.0.1", int(bedrock.endpoint_url.rpartition(":")[2]))
            links = [socket.create_connection(address) for _ in range(3)]
            bedrock.stop()
            for link in links:
                link.close()
        del bedrock
        gc.collect()
    assert [str(warning.message) for warning in unclosed] == []
