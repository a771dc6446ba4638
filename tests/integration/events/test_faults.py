"""The services around the events door fail, or it does itself: every message comes to an end that shows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from lambdas.events import process
from lambdas.shared import clients
from llmmanager.testing import FakeBedrock, Fault

Refuse = Callable[..., None]
STORED = {"requestId": "r-1", "requestKey": "requests/r-1/request.json"}


class Killed(BaseException):
    """Not an Exception: nothing in the function gets to see its end coming."""


def question(text: str = "What is a fault?", **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": [{"text": text}]}], **more}


@pytest.fixture
def refuse(deployed: Any) -> Refuse:
    """Has the next `count` calls of a client fail, after all that boto3 tries itself."""

    def refuse_next(client: Any, *, count: int, code: str = "ServiceUnavailable") -> None:
        left = [count]

        def answer(**_: Any) -> Any:
            if left[0] <= 0:
                return None
            left[0] -= 1
            error = {"Error": {"Code": code, "Message": ""}, "ResponseMetadata": {"HTTPStatusCode": 503}}
            return SimpleNamespace(status_code=503), error

        client.meta.events.register(f"before-call.{client.meta.service_model.service_id.hyphenize()}", answer)

    return refuse_next


@pytest.fixture
def die(deployed: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Has the function die of a delivery, whose time is up at once for those who look at it later."""

    def run(delivery: Any) -> None:
        def end(*_: Any, **__: Any) -> None:
            raise Killed

        with monkeypatch.context() as patched:
            patched.setattr(process, "ask", end)
            patched.setattr(deployed, "context", replace(deployed.context, seconds=0))
            with pytest.raises(Killed):
                deployed.deliver(delivery)

    return run


def again(delivery: dict[str, Any], receives: int) -> dict[str, Any]:
    """The same messages, handed over for the so-manieth time."""
    attributes = {"ApproximateReceiveCount": str(receives)}
    return {"Records": [{**record, "attributes": attributes} for record in delivery["Records"]]}


def test_a_request_of_which_the_function_dies_every_time_ends_as_a_failure_that_shows(
    deployed: Any, fake_bedrock: FakeBedrock, die: Callable[..., None]
) -> None:
    deployed.put("requests/r-1/request.json", question())
    delivery = deployed.receive(STORED)
    for receives in range(1, 6):
        die(again(delivery, receives))
    assert deployed.published() == []

    assert deployed.deliver(again(delivery, 6)) == []

    (told,) = deployed.published()
    assert told["detail-type"] == "LLM Failure"
    assert told["detail"] == deployed.read("requests/r-1/result.json")
    assert told["detail"]["status"] == "failed"
    assert told["detail"]["error"]["type"] == "urn:llmmanager:problem:never-ended"
    (dead,) = deployed.messages("dead")
    assert dead["Body"] == delivery["Records"][0]["body"]
    assert dead["MessageAttributes"]["problem"]["StringValue"] == "never-ended"
    assert fake_bedrock.calls == ()


def test_a_request_that_died_is_answered_when_it_is_sent_again_out_of_the_dead_letter_queue(
    deployed: Any, fake_bedrock: FakeBedrock, die: Callable[..., None]
) -> None:
    deployed.put("requests/r-1/request.json", question())
    delivery = deployed.receive(STORED)
    die(delivery)
    deployed.deliver(again(delivery, 6))
    assert deployed.deliver(deployed.receive(deployed.messages("dead")[0]["Body"])) == []
    assert deployed.read("requests/r-1/result.json")["status"] == "answered"


def test_a_request_that_was_answered_beside_one_of_which_the_function_died_is_no_failure(
    deployed: Any, fake_bedrock: FakeBedrock
) -> None:
    delivery = deployed.receive(question())
    assert deployed.deliver(delivery) == []
    # The function died before it could say so to the queue, five times.
    assert deployed.deliver(again(delivery, 6)) == []
    assert [told["detail"]["status"] for told in deployed.published()] == ["answered"]
    assert deployed.messages("dead") == []
    assert len(fake_bedrock.calls) == 1


def test_a_request_that_the_function_died_of_once_is_answered_the_next_time(
    deployed: Any, fake_bedrock: FakeBedrock, die: Callable[..., None]
) -> None:
    delivery = deployed.receive(question())
    die(delivery)
    assert deployed.deliver(again(delivery, 2)) == []
    assert deployed.published()[0]["detail"]["status"] == "answered"


def test_a_request_that_runs_out_of_time_is_tried_once_more_and_then_a_failure(
    deployed: Any, fake_bedrock: FakeBedrock, monkeypatch: pytest.MonkeyPatch, clock: Any
) -> None:
    fake_bedrock.add_fault(Fault(hang=True))
    clock.silent_regions = {"us-east-1"}
    clock.seconds_per_call = 5
    monkeypatch.setattr(deployed, "context", replace(deployed.context, seconds=process.MARGIN_SECONDS + 5))
    delivery = deployed.receive(question(regions=["us-east-1"], models=["Nova Lite"]))

    assert len(deployed.deliver(again(delivery, 1))) == 1
    assert deployed.published() == []
    assert deployed.deliver(again(delivery, 2)) == []

    (told,) = deployed.published()
    assert told["detail"]["error"]["type"] == "urn:llmmanager:problem:deadline-exceeded"
    (dead,) = deployed.messages("dead")
    assert dead["MessageAttributes"]["problem"]["StringValue"] == "deadline-exceeded"
    assert len(fake_bedrock.calls) == 2


def test_every_region_throttling_half_of_the_time_is_not_seen(
    deployed: Any, fake_bedrock: FakeBedrock
) -> None:
    fake_bedrock.add_fault(Fault(error="ThrottlingException", share=0.5))
    bodies = [question(f"Question {number}", requestId=str(number)) for number in range(10)]
    delivery = deployed.receive(*bodies)
    receives = 1
    while kept := deployed.deliver(again(delivery, receives)):
        delivery = {"Records": [record for record in delivery["Records"] if record["messageId"] in kept]}
        receives += 1
    told = deployed.published()
    assert sorted(one["detail"]["requestId"] for one in told) == sorted(str(number) for number in range(10))
    assert {one["detail"]["status"] for one in told} == {"answered"}
    assert deployed.messages("dead") == []


def test_no_model_is_called_while_nobody_can_tell_whether_it_was_before(
    deployed: Any, fake_bedrock: FakeBedrock, refuse: Refuse
) -> None:
    delivery = deployed.receive(question())
    refuse(clients.dynamodb(), count=1000)
    assert len(deployed.deliver(delivery)) == 1
    assert fake_bedrock.calls == ()

    deployed.forget()

    assert deployed.deliver(again(delivery, 2)) == []
    assert deployed.published()[0]["detail"]["status"] == "answered"
    assert len(fake_bedrock.calls) == 1


def test_a_table_that_stays_away_leaves_a_message_to_the_queues_own_redrive(
    deployed: Any, fake_bedrock: FakeBedrock, refuse: Refuse
) -> None:
    delivery = deployed.receive(question())
    refuse(clients.dynamodb(), count=1000)
    assert [len(deployed.deliver(again(delivery, receives))) for receives in range(1, 7)] == [1] * 6
    assert (fake_bedrock.calls, deployed.published(), deployed.messages("dead")) == ((), [], [])


def test_an_answer_that_is_too_large_for_the_table_is_given_though_the_bucket_fails(
    deployed: Any, fake_bedrock: FakeBedrock, refuse: Refuse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lambdas.shared.idempotency.MAX_ITEM_BYTES", 10)
    refuse(clients.s3(), count=1)
    assert deployed.deliver(deployed.receive(question())) == []
    assert deployed.published()[0]["detail"]["status"] == "answered"
    assert len(fake_bedrock.calls) == 1


@pytest.mark.parametrize("broken", ["s3", "event_bridge"])
def test_a_service_that_fails_once_costs_a_delivery_and_no_second_call_of_a_model(
    deployed: Any, fake_bedrock: FakeBedrock, refuse: Refuse, broken: str
) -> None:
    deployed.put("requests/r-1/request.json", question())
    delivery = deployed.receive(STORED)
    refuse(getattr(clients, broken)(), count=1)
    assert len(deployed.deliver(delivery)) == 1
    assert deployed.deliver(again(delivery, 2)) == []
    assert [told["detail"]["status"] for told in deployed.published()] == ["answered"]
    assert deployed.read("requests/r-1/result.json")["status"] == "answered"
    assert len(fake_bedrock.calls) == 1


def test_an_answer_is_told_once_though_the_reply_queue_takes_it_late(
    deployed: Any, fake_bedrock: FakeBedrock, refuse: Refuse
) -> None:
    delivery = deployed.receive(question(replyTo=deployed.arn("answers")))
    refuse(clients.sqs("us-east-1"), count=2)
    assert [len(deployed.deliver(again(delivery, receives))) for receives in (1, 2, 3)] == [1, 1, 0]
    assert [told["detail-type"] for told in deployed.published()] == ["LLM Answer"]
    assert len(deployed.messages("answers")) == len(fake_bedrock.calls) == 1


def test_an_answer_that_the_reply_queue_never_takes_is_no_failure(
    deployed: Any, fake_bedrock: FakeBedrock, refuse: Refuse
) -> None:
    delivery = deployed.receive(question(replyTo=deployed.arn("answers")))
    refuse(clients.sqs("us-east-1"), count=99, code="AccessDenied")
    tries = [len(deployed.deliver(again(delivery, receives))) for receives in range(1, 6)]
    assert tries == [1, 1, 1, 1, 0]
    assert [told["detail-type"] for told in deployed.published()] == ["LLM Answer"]
    (dead,) = deployed.messages("dead")
    assert dead["MessageAttributes"]["problem"]["StringValue"] == "reply-not-taken"
    assert "AccessDenied" in dead["MessageAttributes"]["reason"]["StringValue"]


def test_a_failure_that_the_reply_queue_does_not_take_is_told_once_by_the_bus(
    deployed: Any, refuse: Refuse
) -> None:
    delivery = deployed.receive(question(temprature=1, replyTo=deployed.arn("answers")))
    refuse(clients.sqs("us-east-1"), count=99, code="AccessDenied")
    assert deployed.deliver(delivery) == []
    assert [told["detail-type"] for told in deployed.published()] == ["LLM Failure"]
    (dead,) = deployed.messages("dead")
    assert dead["MessageAttributes"]["problem"]["StringValue"] == "invalid-request"


def test_a_message_without_room_for_a_reason_is_put_into_the_dead_letter_queue_as_it_is(
    deployed: Any, refuse: Refuse, caplog: pytest.LogCaptureFixture
) -> None:
    delivery = deployed.receive(question(models=["a secret"]))
    refuse(clients.sqs(), count=1, code="InvalidParameterValue")
    assert deployed.deliver(delivery) == []
    (dead,) = deployed.messages("dead")
    assert dead["Body"] == delivery["Records"][0]["body"]
    assert "MessageAttributes" not in dead
    # The bus has the reason; the log has none, for it may quote what was sent.
    assert "a secret" in deployed.published()[0]["detail"]["error"]["errors"][0]
    assert caplog.records
    assert not any("a secret" in str(vars(record)) for record in caplog.records)


@pytest.mark.parametrize("name", ["\x00\x1f", "\ud800", "Ünïcode", "\U0001f600"])
def test_a_reason_holds_only_what_a_queue_takes(deployed: Any, name: str) -> None:
    body = question(**{name: 1, "requestId": name})
    assert deployed.deliver(deployed.receive(body)) == []
    (dead,) = deployed.messages("dead")
    for attribute in dead["MessageAttributes"].values():
        assert attribute["StringValue"].isascii()
        assert attribute["StringValue"].isprintable()


def test_what_the_queue_does_not_put_off_is_kept_all_the_same(
    deployed: Any, fake_bedrock: FakeBedrock, refuse: Refuse
) -> None:
    fake_bedrock.add_fault(Fault(error="ServiceUnavailableException"))
    delivery = deployed.receive(question())
    refuse(clients.sqs(), count=1)
    assert len(deployed.deliver(delivery)) == 1
