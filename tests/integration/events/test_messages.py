"""Messages of the request queue, from every kind of sender, to their answers."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest

from lambdas.events import replies
from lambdas.shared.idempotency import run_once
from llmmanager.testing import FakeBedrock, Fault

DOWN = Fault(error="ServiceUnavailableException")


def question(text: str = "What is a queue?", **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": [{"text": text}]}], **more}


def sns(body: Any) -> dict[str, Any]:
    return {
        "Type": "Notification",
        "MessageId": "notification-1",
        "TopicArn": "arn:aws:sns:us-east-1:123456789012:topic",
        "Message": body if isinstance(body, str) else json.dumps(body),
    }


def event(body: Any) -> dict[str, Any]:
    return {
        "version": "0",
        "id": "event-1",
        "source": "orders",
        "detail-type": "LLM Request",
        "detail": body,
    }


def dropped(key: str, etag: str = "abc", bucket: str = "bucket-of-the-test") -> dict[str, Any]:
    detail = {"bucket": {"name": bucket}, "object": {"key": key, "size": 3, "etag": etag}}
    return {"id": "e", "source": "aws.s3", "detail-type": "Object Created", "detail": detail}


@pytest.mark.parametrize("envelope", [lambda body: body, sns, event, lambda body: sns(event(body))])
def test_a_request_in_any_envelope_is_answered_on_the_bus(
    deployed: Any, fake_bedrock: FakeBedrock, envelope: Any
) -> None:
    kept = deployed.deliver(deployed.receive(envelope(question(requestId="mine"))))
    assert kept == []
    (call,) = fake_bedrock.calls
    (told,) = deployed.published()
    assert (told["source"], told["detail-type"]) == ("llmmanager", "LLM Answer")
    assert (told["detail"]["requestId"], told["detail"]["status"]) == ("mine", "answered")
    answer = told["detail"]["answer"]
    assert call.prompt == "What is a queue?"
    assert answer["text"] == answer["modelOutput"]["output"]["message"]["content"][0]["text"]
    assert (answer["model"], answer["region"]) == (call.model_id, call.region)


MARK = "\ufeff"


@pytest.mark.parametrize(
    "text",
    [
        MARK + json.dumps(question()),
        MARK + json.dumps(sns(question())),
        json.dumps({**sns(question()), "Message": MARK + json.dumps(question())}),
        MARK + json.dumps(event(question())),
    ],
    ids=["SQS", "SNS", "in SNS", "EventBridge"],
)
def test_a_byte_order_mark_before_a_message_is_skipped(deployed: Any, text: str) -> None:
    assert deployed.deliver(deployed.receive(text)) == []
    (told,) = deployed.published()
    assert told["detail"]["status"] == "answered"


def test_a_request_in_snake_case_is_the_same(deployed: Any, fake_bedrock: FakeBedrock) -> None:
    body = {**question(), "request_id": "flat", "inference_config": {"maxTokens": 5}}
    assert deployed.deliver(deployed.receive(body)) == []
    assert fake_bedrock.calls[0].body["inferenceConfig"] == {"maxTokens": 5}
    assert deployed.published()[0]["detail"]["requestId"] == "flat"


def test_a_request_may_choose_among_models_and_regions(deployed: Any, fake_bedrock: FakeBedrock) -> None:
    body = question(models=["Nova Micro"], regions=["us-west-2"])
    assert deployed.deliver(deployed.receive(body)) == []
    assert "nova-micro" in fake_bedrock.calls[0].model_id
    assert fake_bedrock.calls[0].region == "us-west-2"


def test_an_answer_against_the_callers_rules_is_a_failure(deployed: Any, fake_bedrock: FakeBedrock) -> None:
    body = question(responseValidation={"mustContain": ["a word that nobody says"], "retries": 0})
    assert deployed.deliver(deployed.receive(body)) == []
    (told,) = deployed.published()
    assert told["detail"]["status"] == "failed"
    assert len(deployed.messages("dead")) == 1


def test_an_event_decides_whether_a_refused_feature_may_be_left_out(
    deployed: Any, fake_bedrock: FakeBedrock
) -> None:
    refusal = "This model doesn't support the stopSequences field. Remove stopSequences and try again."
    config = {"inferenceConfig": {"stopSequences": ["END"]}}
    for number, switch in enumerate(({"featureFallback": False}, {})):
        fake_bedrock.add_fault(Fault(error="ValidationException", message=refusal, count=1))
        assert deployed.deliver(deployed.receive(question(str(number), **config, **switch))) == []
    kept, left_out = (event["detail"]["answer"] for event in deployed.published())
    assert (kept["featuresDisabled"], left_out["featuresDisabled"]) == ([], ["stop_sequences"])
    assert kept["model"] != left_out["model"]


def test_a_failure_is_told_with_the_cost_of_every_answer_that_was_refused(
    deployed: Any, fake_bedrock: FakeBedrock
) -> None:
    body = question(responseValidation={"mustContain": ["a word that nobody says"], "retries": 1})
    deployed.deliver(deployed.receive(body))
    (told,) = deployed.published()
    error = told["detail"]["error"]
    assert (told["detail-type"], len(fake_bedrock.calls)) == ("LLM Failure", 2)
    assert error["totalUsage"] == fake_bedrock.delivered.usage
    assert error["estimatedCostUsd"] > 0
    assert error["attemptsWithUnknownUsage"] == 0


def test_an_answer_is_told_with_the_attempts_whose_usage_is_unknown(
    deployed: Any, fake_bedrock: FakeBedrock
) -> None:
    fake_bedrock.add_fault(Fault(reset=True, billed=True, count=1))
    deployed.deliver(deployed.receive(question()))
    (told,) = deployed.published()
    answer = told["detail"]["answer"]
    assert answer["totalUsage"] == answer["usage"] == fake_bedrock.delivered.usage
    assert answer["attemptsWithUnknownUsage"] == 1


def test_messages_of_one_delivery_are_answered_each_by_itself(
    deployed: Any, fake_bedrock: FakeBedrock
) -> None:
    bodies = [question(f"Question {n}", requestId=f"r{n}") for n in range(8)]
    assert deployed.deliver(deployed.receive(*bodies, "not json", question(temprature=1))) == []
    told = {event["detail"]["requestId"]: event["detail"]["status"] for event in deployed.published()}
    assert {told.pop(f"r{n}") for n in range(8)} == {"answered"}
    assert list(told.values()) == ["failed", "failed"]
    assert len(deployed.messages("dead")) == 2
    assert len(fake_bedrock.calls) == 8


@pytest.mark.parametrize("more", [{}, {"idempotencyKey": "mine"}])
def test_the_same_message_three_times_is_answered_once(
    deployed: Any, fake_bedrock: FakeBedrock, more: dict[str, Any]
) -> None:
    delivery = deployed.receive(question(**more))
    assert [deployed.deliver(delivery) for _ in range(3)] == [[], [], []]
    assert len(fake_bedrock.calls) == 1
    assert len(deployed.published()) == 1


def test_three_copies_of_one_event_are_answered_once(deployed: Any, fake_bedrock: FakeBedrock) -> None:
    assert deployed.deliver(deployed.receive(event(question()))) == []
    assert deployed.deliver(deployed.receive(sns(event(question())), event(question()))) == []
    assert len(fake_bedrock.calls) == 1
    assert len(deployed.published()) == 1


def test_a_delivery_while_another_one_is_being_answered_waits(
    deployed: Any, fake_bedrock: FakeBedrock
) -> None:
    delivery = deployed.receive(question(idempotencyKey="k"), receives=5)
    kept: list[str] = []

    def meanwhile() -> dict[str, Any]:
        kept.extend(deployed.deliver(delivery))
        return {}

    run_once(("events", "caller", "k"), question(), meanwhile, context=deployed.context)

    assert kept == [delivery["Records"][0]["messageId"]]
    assert fake_bedrock.calls == ()
    assert deployed.published() == []


def test_another_request_under_a_used_key_is_refused(deployed: Any, fake_bedrock: FakeBedrock) -> None:
    deployed.deliver(deployed.receive(question("One", idempotencyKey="k")))
    assert deployed.deliver(deployed.receive(question("Two", idempotencyKey="k"))) == []
    first, second = deployed.published()
    assert first["detail"]["status"] == "answered"
    assert second["detail"]["error"]["type"] == "urn:llmmanager:problem:idempotency-key-reused"
    assert len(fake_bedrock.calls) == 1


POISON: list[tuple[Any, str]] = [
    ("not json", "message: not JSON"),
    ('"text"', "message: must be a JSON object"),
    ({}, "messages"),
    (question(temprature=1), "temprature: unknown field"),
    (question(models=["Nova Imaginary"]), "Nova Imaginary"),
    (question(regions=["mars-north-1"]), "mars-north-1"),
    (question(replyTo="arn:aws:sqs:us-east-1:123456789012:stranger"), "replyTo: must be ARN or URL"),
    (question(responseValidation={"retries": 99}), "responseValidation"),
    (question(featureFallback="no"), "featureFallback: must be true or false"),
    (question(request_id="a", requestId="b"), "request_id: given twice"),
    (question(replyTo=7), "replyTo: must be ARN or URL"),
    (question(idempotencyKey=""), "idempotencyKey: must be a string"),
    (question(requestId=7), "requestId: must be a string"),
    (sns("{"), "Message: not JSON"),
    (sns(sns(question())), "another SNS notification"),
    ({**event(question()), "detail-type": "Order Placed"}, "detail-type: must be LLM Request"),
    (event("text"), "detail: must be an object"),
    ({"requestId": "../x", "requestKey": "x"}, "requestId: must be 1 to 80"),
    ({"requestId": "x", "requestKey": "batches/b/results.jsonl"}, "requestKey: must be requests/x/"),
    ({"requestId": "x", "requestKey": "requests/x/request.json"}, "requestKey: there is no requests/x/"),
    (dropped("inbox/x.jsonl", bucket="somebody-elses"), "somebody-elses"),
    (dropped(f"inbox/{'x' * 1018}.jsonl"), "detail.object.key: must be inbox/*.jsonl"),
    (dropped("inputs/x.jsonl"), "detail.object.key: must be inbox/*.jsonl"),
    (dropped("inbox/x.jsonl") | {"detail-type": "Object Deleted"}, "detail-type: must be Object Created"),
]


@pytest.mark.parametrize(("body", "reason"), POISON)
def test_what_can_never_work_goes_to_the_dead_letter_queue_with_the_reason(
    deployed: Any, fake_bedrock: FakeBedrock, body: Any, reason: str
) -> None:
    delivery = deployed.receive(body)
    # The same message again changes nothing.
    assert [deployed.deliver(delivery) for _ in range(2)] == [[], []]
    (dead,) = deployed.messages("dead")
    attributes = {name: value["StringValue"] for name, value in dead["MessageAttributes"].items()}
    assert dead["Body"] == delivery["Records"][0]["body"]
    assert reason in attributes["reason"]
    assert attributes["problem"] == "invalid-request"
    assert attributes["messageId"] == delivery["Records"][0]["messageId"]
    (told,) = deployed.published()
    assert told["detail-type"] == "LLM Failure"
    assert told["detail"]["requestId"] == attributes["requestId"]
    assert any(reason in error for error in told["detail"]["error"]["errors"])
    assert fake_bedrock.calls == ()


OUTCOME = {"requestId": "r", "status": "failed", "error": {"title": "Bad Request"}}
OWN_EVENT = event(OUTCOME) | {"source": "llmmanager", "detail-type": "LLM Failure"}
BATCH_FINISHED = event({"batchId": "b"}) | {"source": "llmmanager", "detail-type": "Batch Finished"}


@pytest.mark.parametrize("body", [OUTCOME, sns(OUTCOME), OWN_EVENT, sns(OWN_EVENT), BATCH_FINISHED])
def test_an_outcome_that_is_led_back_is_put_aside_and_not_told_again(deployed: Any, body: Any) -> None:
    assert deployed.deliver(deployed.receive(body)) == []
    assert deployed.published() == []
    (dead,) = deployed.messages("dead")
    assert dead["MessageAttributes"]["problem"]["StringValue"] == "own-outcome"


def test_a_passing_failure_is_put_off_and_then_answered(deployed: Any, fake_bedrock: FakeBedrock) -> None:
    delivery = deployed.receive(question(requestId="patient"))
    fake_bedrock.add_fault(DOWN)
    assert deployed.deliver(delivery) == [delivery["Records"][0]["messageId"]]
    fake_bedrock.reset()
    assert deployed.published() == []
    assert deployed.messages("dead") == []
    assert deployed.deliver(delivery) == []
    (told,) = deployed.published()
    assert told["detail"]["status"] == "answered"


def test_what_fails_to_the_last_goes_to_the_dead_letter_queue(
    deployed: Any, fake_bedrock: FakeBedrock
) -> None:
    fake_bedrock.add_fault(DOWN)
    assert deployed.deliver(deployed.receive(question(requestId="unlucky"), receives=5)) == []
    (dead,) = deployed.messages("dead")
    assert dead["MessageAttributes"]["problem"]["StringValue"] == "all-targets-failed"
    assert dead["MessageAttributes"]["requestId"]["StringValue"] == "unlucky"
    (told,) = deployed.published()
    assert told["detail"]["error"]["status"] == 503
    assert told["detail"]["error"]["attempts"]


def test_what_failed_is_run_anew_when_it_is_sent_again(deployed: Any, fake_bedrock: FakeBedrock) -> None:
    body = question(idempotencyKey="again")
    fake_bedrock.add_fault(DOWN)
    for _ in range(2):
        deployed.deliver(deployed.receive(body, receives=5))
    assert len(deployed.messages("dead")) == 2
    fake_bedrock.reset()
    deployed.deliver(deployed.receive(body))
    assert [told["detail"]["status"] for told in deployed.published()] == ["failed", "failed", "answered"]


def test_an_answer_that_could_not_be_told_is_told_later_without_a_second_call(
    deployed: Any, fake_bedrock: FakeBedrock, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivery = deployed.receive(question())
    with monkeypatch.context() as patched:
        patched.setattr(replies, "MAX_REPLY_BYTES", 0)
        patched.setenv("LLMMANAGER_BUCKET", "bucket-that-is-not-there")
        deployed.forget()
        assert len(deployed.deliver(delivery)) == 1
    deployed.forget()
    assert deployed.deliver(delivery) == []
    assert len(fake_bedrock.calls) == 1
    assert len(deployed.published()) == 1


@pytest.mark.parametrize("form", ["arn", "url"])
def test_a_reply_goes_to_the_queue_that_was_named(
    deployed: Any, fake_bedrock: FakeBedrock, form: str
) -> None:
    to = deployed.arn("answers") if form == "arn" else deployed.urls["answers"]
    deployed.deliver(deployed.receive(question(requestId="r", replyTo=to)))
    (reply,) = deployed.messages("answers")
    (told,) = deployed.published()
    assert json.loads(reply["Body"]) == told["detail"]


def test_a_failure_is_told_to_the_queue_that_was_named(deployed: Any, fake_bedrock: FakeBedrock) -> None:
    deployed.deliver(deployed.receive(question(temprature=1, replyTo=deployed.arn("answers"))))
    (reply,) = deployed.messages("answers")
    assert json.loads(reply["Body"])["status"] == "failed"


def test_a_large_answer_lies_in_the_bucket(
    deployed: Any, fake_bedrock: FakeBedrock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replies, "MAX_REPLY_BYTES", 300)
    deployed.deliver(deployed.receive(question(requestId="../../batches/x", replyTo=deployed.arn("answers"))))
    (told,) = deployed.published()
    detail = told["detail"]
    assert set(detail) == {"requestId", "status", "resultS3Uri"}
    prefix = f"s3://{deployed.bucket}/"
    assert detail["resultS3Uri"].startswith(f"{prefix}requests/")
    result = deployed.read(detail["resultS3Uri"].removeprefix(prefix))
    assert result["answer"]["text"]
    assert json.loads(deployed.messages("answers")[0]["Body"]) == detail


def test_a_large_answer_is_put_into_the_bucket_once_though_bus_and_queue_are_told(
    deployed: Any, fake_bedrock: FakeBedrock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replies, "MAX_REPLY_BYTES", 300)
    s3 = boto3.client("s3")
    s3.put_bucket_versioning(Bucket=deployed.bucket, VersioningConfiguration={"Status": "Enabled"})
    deployed.deliver(deployed.receive(question(replyTo=deployed.arn("answers"))))
    assert len(deployed.messages("answers")) == len(deployed.published()) == 1
    versions = s3.list_object_versions(Bucket=deployed.bucket)["Versions"]
    assert len(versions) == 1


def test_a_request_in_the_bucket_gets_its_result_beside_it(deployed: Any, fake_bedrock: FakeBedrock) -> None:
    deployed.put("requests/r-1/request.json", question("From HTTP", models=["Nova Micro"]))
    message = {"requestId": "r-1", "requestKey": "requests/r-1/request.json", "caller": "someone"}
    # SQS may deliver it twice, and its sender may send it twice.
    for _ in range(2):
        assert deployed.deliver(deployed.receive(message)) == []
    assert [call.prompt for call in fake_bedrock.calls] == ["From HTTP"]
    result = deployed.read("requests/r-1/result.json")
    assert (result["requestId"], result["status"]) == ("r-1", "answered")
    (told,) = deployed.published()
    assert told["detail"] == result


@pytest.mark.parametrize("stored", [b"{", b"[]", b'{"messages": []}'])
def test_a_request_in_the_bucket_that_cannot_be_made_gets_its_failure_there(
    deployed: Any, fake_bedrock: FakeBedrock, stored: bytes
) -> None:
    deployed.put("requests/r-1/request.json", stored)
    message = {"requestId": "r-1", "requestKey": "requests/r-1/request.json"}
    assert deployed.deliver(deployed.receive(message)) == []
    assert deployed.read("requests/r-1/result.json")["error"]["status"] == 400
    assert len(deployed.messages("dead")) == 1


def test_a_file_in_the_inbox_becomes_one_batch_however_often_it_is_told(deployed: Any) -> None:
    for _ in range(3):
        assert deployed.deliver(deployed.receive(dropped("inbox/Monday's prompts.jsonl"))) == []
    ((name, given),) = deployed.batches().items()
    assert name.startswith("inbox-Monday-s-prompts-")
    assert given == {"batchId": name, "inputS3Uri": "s3://bucket-of-the-test/inbox/Monday's prompts.jsonl"}
    # New content under the same name is another batch.
    deployed.deliver(deployed.receive(dropped("inbox/Monday's prompts.jsonl", etag="def")))
    assert len(deployed.batches()) == 2
