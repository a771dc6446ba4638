"""Failures of the events function and of the services around it: every message gets a visible outcome."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from lambdas.events import answer_request
from lambdas.shared import clients
from llmmanager.testing import FakeBedrock, Fault

FailCalls = Callable[..., None]
STORED = {"requestId": "r-1", "requestKey": "requests/r-1/request.json"}


class Killed(BaseException):
    """Raised where the function stops. Not an Exception, so that the function does not handle it."""


def question(text: str = "What is a fault?", **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": [{"text": text}]}], **more}


@pytest.fixture
def fail_calls(deployed: Any) -> Iterator[FailCalls]:
    """Let the next `count` calls of a client fail, including boto3's own retries."""
    registered = []

    def fail_next(client: Any, *, count: int, code: str = "ServiceUnavailable") -> None:
        left = [count]

        def respond(**_: Any) -> Any:
            if left[0] <= 0:
                return None
            left[0] -= 1
            error = {"Error": {"Code": code, "Message": ""}, "ResponseMetadata": {"HTTPStatusCode": 503}}
            return SimpleNamespace(status_code=503), error

        event = f"before-call.{client.meta.service_model.service_id.hyphenize()}"
        client.meta.events.register(event, respond)
        registered.append((client.meta.events, event, respond))

    yield fail_next
    for events, event, respond in registered:
        events.unregister(event, respond)


@pytest.fixture
def deliver_and_stop(deployed: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Deliver messages and stop the function. Its idempotency records expire at once."""

    def run(delivery: Any) -> None:
        def stop(*_: Any, **__: Any) -> None:
            raise Killed

        with monkeypatch.context() as patched:
            patched.setattr(answer_request, "send_request", stop)
            patched.setattr(deployed, "context", replace(deployed.context, seconds=0))
            with pytest.raises(Killed):
                deployed.deliver(delivery)

    return run


def again(delivery: dict[str, Any], receives: int) -> dict[str, Any]:
    """Return the same messages with another receive count."""
    attributes = {"ApproximateReceiveCount": str(receives)}
    return {"Records": [{**record, "attributes": attributes} for record in delivery["Records"]]}


def test_a_request_that_stops_the_function_on_every_try_is_reported_as_a_failure(
    deployed: Any, fake_bedrock: FakeBedrock, deliver_and_stop: Callable[..., None]
) -> None:
    deployed.put("requests/r-1/request.json", question())
    delivery = deployed.receive(STORED)
    for receives in range(1, 6):
        deliver_and_stop(again(delivery, receives))
    assert deployed.published() == []

    assert deployed.deliver(again(delivery, 6)) == []

    (event,) = deployed.published()
    assert event["detail-type"] == "LLM Failure"
    assert event["detail"] == deployed.read("requests/r-1/result.json")
    assert event["detail"]["status"] == "failed"
    assert event["detail"]["error"]["type"] == "urn:llmmanager:problem:never-ended"
    (dead,) = deployed.messages("dead")
    assert dead["Body"] == delivery["Records"][0]["body"]
    assert dead["MessageAttributes"]["problem"]["StringValue"] == "never-ended"
    assert fake_bedrock.calls == ()


def test_a_request_that_stopped_the_function_is_answered_when_it_is_replayed_from_the_dead_letter_queue(
    deployed: Any, fake_bedrock: FakeBedrock, deliver_and_stop: Callable[..., None]
) -> None:
    deployed.put("requests/r-1/request.json", question())
    delivery = deployed.receive(STORED)
    deliver_and_stop(delivery)
    deployed.deliver(again(delivery, 6))
    assert deployed.deliver(deployed.receive(deployed.messages("dead")[0]["Body"])) == []
    assert deployed.read("requests/r-1/result.json")["status"] == "answered"


def test_an_answered_request_is_not_a_failure_when_the_function_stopped_before_it_reported_it(
    deployed: Any, fake_bedrock: FakeBedrock
) -> None:
    delivery = deployed.receive(question())
    assert deployed.deliver(delivery) == []
    # The function stopped before it returned, five times.
    assert deployed.deliver(again(delivery, 6)) == []
    assert [event["detail"]["status"] for event in deployed.published()] == ["answered"]
    assert deployed.messages("dead") == []
    assert len(fake_bedrock.calls) == 1


def test_a_request_that_stopped_the_function_once_is_answered_on_the_next_delivery(
    deployed: Any, fake_bedrock: FakeBedrock, deliver_and_stop: Callable[..., None]
) -> None:
    delivery = deployed.receive(question())
    deliver_and_stop(delivery)
    assert deployed.deliver(again(delivery, 2)) == []
    assert deployed.published()[0]["detail"]["status"] == "answered"


def test_a_request_that_runs_out_of_time_is_tried_twice_and_then_fails(
    deployed: Any, fake_bedrock: FakeBedrock, monkeypatch: pytest.MonkeyPatch, clock: Any
) -> None:
    fake_bedrock.add_fault(Fault(hang=True))
    clock.silent_regions = {"us-east-1"}
    clock.seconds_per_call = 5
    monkeypatch.setattr(
        deployed, "context", replace(deployed.context, seconds=answer_request.MARGIN_SECONDS + 5)
    )
    delivery = deployed.receive(question(regions=["us-east-1"], models=["Nova Lite"]))

    assert len(deployed.deliver(again(delivery, 1))) == 1
    assert deployed.published() == []
    assert deployed.deliver(again(delivery, 2)) == []

    (event,) = deployed.published()
    assert event["detail"]["error"]["type"] == "urn:llmmanager:problem:deadline-exceeded"
    (dead,) = deployed.messages("dead")
    assert dead["MessageAttributes"]["problem"]["StringValue"] == "deadline-exceeded"
    assert len(fake_bedrock.calls) == 2


def test_every_request_is_answered_when_regions_throttle_half_of_the_calls(
    deployed: Any, fake_bedrock: FakeBedrock
) -> None:
    fake_bedrock.add_fault(Fault(error="ThrottlingException", share=0.5))
    bodies = [question(f"Question {number}", requestId=str(number)) for number in range(10)]
    delivery = deployed.receive(*bodies)
    receives = 1
    while failed := deployed.deliver(again(delivery, receives)):
        delivery = {"Records": [record for record in delivery["Records"] if record["messageId"] in failed]}
        receives += 1
    events = deployed.published()
    assert sorted(event["detail"]["requestId"] for event in events) == sorted(
        str(number) for number in range(10)
    )
    assert {event["detail"]["status"] for event in events} == {"answered"}
    assert deployed.messages("dead") == []


def test_no_model_is_called_while_the_idempotency_table_is_unavailable(
    deployed: Any, fake_bedrock: FakeBedrock, fail_calls: FailCalls
) -> None:
    delivery = deployed.receive(question())
    fail_calls(clients.dynamodb(), count=1000)
    assert len(deployed.deliver(delivery)) == 1
    assert fake_bedrock.calls == ()

    deployed.cold_start()

    assert deployed.deliver(again(delivery, 2)) == []
    assert deployed.published()[0]["detail"]["status"] == "answered"
    assert len(fake_bedrock.calls) == 1


def test_a_message_is_left_to_the_redrive_policy_while_the_table_is_unavailable(
    deployed: Any, fake_bedrock: FakeBedrock, fail_calls: FailCalls
) -> None:
    delivery = deployed.receive(question())
    fail_calls(clients.dynamodb(), count=1000)
    assert [len(deployed.deliver(again(delivery, receives))) for receives in range(1, 7)] == [1] * 6
    assert (fake_bedrock.calls, deployed.published(), deployed.messages("dead")) == ((), [], [])


def test_an_answer_that_is_too_large_for_the_table_is_published_although_the_bucket_fails(
    deployed: Any, fake_bedrock: FakeBedrock, fail_calls: FailCalls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lambdas.shared.idempotency.MAX_ITEM_BYTES", 10)
    fail_calls(clients.s3(), count=1)
    assert deployed.deliver(deployed.receive(question())) == []
    assert deployed.published()[0]["detail"]["status"] == "answered"
    assert len(fake_bedrock.calls) == 1


@pytest.mark.parametrize("broken", ["s3", "event_bridge"])
def test_a_service_that_fails_once_causes_another_delivery_but_no_second_call_of_a_model(
    deployed: Any, fake_bedrock: FakeBedrock, fail_calls: FailCalls, broken: str
) -> None:
    deployed.put("requests/r-1/request.json", question())
    delivery = deployed.receive(STORED)
    fail_calls(getattr(clients, broken)(), count=1)
    assert len(deployed.deliver(delivery)) == 1
    assert deployed.deliver(again(delivery, 2)) == []
    assert [event["detail"]["status"] for event in deployed.published()] == ["answered"]
    assert deployed.read("requests/r-1/result.json")["status"] == "answered"
    assert len(fake_bedrock.calls) == 1


def test_an_answer_is_published_once_although_the_reply_queue_accepts_it_late(
    deployed: Any, fake_bedrock: FakeBedrock, fail_calls: FailCalls
) -> None:
    delivery = deployed.receive(question(replyTo=deployed.arn("answers")))
    fail_calls(clients.sqs("us-east-1"), count=2)
    assert [len(deployed.deliver(again(delivery, receives))) for receives in (1, 2, 3)] == [1, 1, 0]
    assert [event["detail-type"] for event in deployed.published()] == ["LLM Answer"]
    assert len(deployed.messages("answers")) == len(fake_bedrock.calls) == 1


def test_an_answer_that_the_reply_queue_never_accepts_is_not_published_as_a_failure(
    deployed: Any, fake_bedrock: FakeBedrock, fail_calls: FailCalls
) -> None:
    delivery = deployed.receive(question(replyTo=deployed.arn("answers")))
    fail_calls(clients.sqs("us-east-1"), count=99, code="AccessDenied")
    tries = [len(deployed.deliver(again(delivery, receives))) for receives in range(1, 6)]
    assert tries == [1, 1, 1, 1, 0]
    assert [event["detail-type"] for event in deployed.published()] == ["LLM Answer"]
    (dead,) = deployed.messages("dead")
    assert dead["MessageAttributes"]["problem"]["StringValue"] == "reply-not-taken"
    assert "AccessDenied" in dead["MessageAttributes"]["reason"]["StringValue"]


def test_a_failure_that_the_reply_queue_rejects_is_published_once(
    deployed: Any, fail_calls: FailCalls
) -> None:
    delivery = deployed.receive(question(temprature=1, replyTo=deployed.arn("answers")))
    fail_calls(clients.sqs("us-east-1"), count=99, code="AccessDenied")
    assert deployed.deliver(delivery) == []
    assert [event["detail-type"] for event in deployed.published()] == ["LLM Failure"]
    (dead,) = deployed.messages("dead")
    assert dead["MessageAttributes"]["problem"]["StringValue"] == "invalid-request"


def test_a_message_without_room_for_attributes_is_moved_to_the_dead_letter_queue_without_them(
    deployed: Any, fail_calls: FailCalls, caplog: pytest.LogCaptureFixture
) -> None:
    delivery = deployed.receive(question(models=["a secret"]))
    fail_calls(clients.sqs(), count=1, code="InvalidParameterValue")
    assert deployed.deliver(delivery) == []
    (dead,) = deployed.messages("dead")
    assert dead["Body"] == delivery["Records"][0]["body"]
    assert "MessageAttributes" not in dead
    # The event has the reason. The log does not, because the reason may quote the request.
    assert "a secret" in deployed.published()[0]["detail"]["error"]["errors"][0]
    assert caplog.records
    assert not any("a secret" in str(vars(record)) for record in caplog.records)


@pytest.mark.parametrize("name", ["\x00\x1f", "\ud800", "Ünïcode", "\U0001f600"])
def test_attributes_contain_only_characters_that_sqs_accepts(deployed: Any, name: str) -> None:
    body = question(**{name: 1, "requestId": name})
    assert deployed.deliver(deployed.receive(body)) == []
    (dead,) = deployed.messages("dead")
    for attribute in dead["MessageAttributes"].values():
        assert attribute["StringValue"].isascii()
        assert attribute["StringValue"].isprintable()


def test_a_message_whose_delay_fails_stays_in_the_queue(
    deployed: Any, fake_bedrock: FakeBedrock, fail_calls: FailCalls
) -> None:
    fake_bedrock.add_fault(Fault(error="ServiceUnavailableException"))
    delivery = deployed.receive(question())
    fail_calls(clients.sqs(), count=1)
    assert len(deployed.deliver(delivery)) == 1
