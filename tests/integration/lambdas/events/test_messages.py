"""Messages of the request queue, from every kind of sender, and their outcomes."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest

from lambdas.events import replies
from lambdas.shared.idempotency import run_once
from llmmanager.bedrock.routing.quota_gates import forget_gates
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


def file_created(key: str, etag: str = "abc", bucket: str = "bucket-of-the-test") -> dict[str, Any]:
    detail = {"bucket": {"name": bucket}, "object": {"key": key, "size": 3, "etag": etag}}
    return {"id": "e", "source": "aws.s3", "detail-type": "Object Created", "detail": detail}


@pytest.mark.parametrize("envelope", [lambda body: body, sns, event, lambda body: sns(event(body))])
def test_the_answer_of_a_request_in_any_format_is_published(
    deployed: Any, fake_bedrock: FakeBedrock, envelope: Any
) -> None:
    assert deployed.deliver(deployed.receive(envelope(question(requestId="mine")))) == []
    (call,) = fake_bedrock.calls
    (published,) = deployed.published()
    assert (published["source"], published["detail-type"]) == ("llmmanager", "LLM Answer")
    assert (published["detail"]["requestId"], published["detail"]["status"]) == ("mine", "answered")
    answer = published["detail"]["answer"]
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
    (published,) = deployed.published()
    assert published["detail"]["status"] == "answered"


def test_a_request_may_use_snake_case(deployed: Any, fake_bedrock: FakeBedrock) -> None:
    body = {**question(), "request_id": "flat", "inference_config": {"maxTokens": 5}}
    assert deployed.deliver(deployed.receive(body)) == []
    assert fake_bedrock.calls[0].body["inferenceConfig"] == {"maxTokens": 5}
    assert deployed.published()[0]["detail"]["requestId"] == "flat"


def test_a_request_may_choose_models_and_regions(deployed: Any, fake_bedrock: FakeBedrock) -> None:
    body = question(models=["Nova Micro"], regions=["us-west-2"])
    assert deployed.deliver(deployed.receive(body)) == []
    assert "nova-micro" in fake_bedrock.calls[0].model_id
    assert fake_bedrock.calls[0].region == "us-west-2"


def test_an_answer_that_breaks_the_callers_rules_is_a_failure(
    deployed: Any, fake_bedrock: FakeBedrock
) -> None:
    body = question(responseValidation={"mustContain": ["a word that is not in the answer"], "retries": 0})
    assert deployed.deliver(deployed.receive(body)) == []
    (published,) = deployed.published()
    assert published["detail"]["status"] == "failed"
    assert len(deployed.messages("dead")) == 1


def test_an_answer_with_a_schema_has_its_value(deployed: Any, fake_bedrock: FakeBedrock) -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    assert deployed.deliver(deployed.receive(question(outputSchema=schema))) == []
    (published,) = deployed.published()
    assert published["detail"]["answer"]["parsed"].keys() == {"city"}


def test_a_request_decides_whether_an_unsupported_feature_may_be_left_out(
    deployed: Any, fake_bedrock: FakeBedrock
) -> None:
    rejection = "This model doesn't support the stopSequences field. Remove stopSequences and try again."
    config = {"inferenceConfig": {"stopSequences": ["END"]}}
    for number, switch in enumerate(({"featureFallback": False}, {})):
        fake_bedrock.add_fault(Fault(error="ValidationException", message=rejection, count=1))
        assert deployed.deliver(deployed.receive(question(str(number), **config, **switch))) == []
    first, second = (event["detail"]["answer"] for event in deployed.published())
    assert (first["featuresDisabled"], second["featuresDisabled"]) == ([], ["stop_sequences"])
    assert first["model"] != second["model"]


def test_a_failure_is_published_with_the_cost_of_every_rejected_answer(
    deployed: Any, fake_bedrock: FakeBedrock
) -> None:
    body = question(responseValidation={"mustContain": ["a word that is not in the answer"], "retries": 1})
    deployed.deliver(deployed.receive(body))
    (published,) = deployed.published()
    error = published["detail"]["error"]
    assert (published["detail-type"], len(fake_bedrock.calls)) == ("LLM Failure", 2)
    assert error["totalUsage"] == fake_bedrock.delivered.usage
    assert error["estimatedCostUsd"] > 0
    assert error["attemptsWithUnknownUsage"] == 0


def test_an_answer_is_published_with_the_attempts_whose_usage_is_unknown(
    deployed: Any, fake_bedrock: FakeBedrock
) -> None:
    fake_bedrock.add_fault(Fault(reset=True, billed=True, count=1))
    deployed.deliver(deployed.receive(question()))
    (published,) = deployed.published()
    answer = published["detail"]["answer"]
    assert answer["totalUsage"] == answer["usage"] == fake_bedrock.delivered.usage
    assert answer["attemptsWithUnknownUsage"] == 1


def test_each_message_of_a_delivery_has_its_own_outcome(deployed: Any, fake_bedrock: FakeBedrock) -> None:
    bodies = [question(f"Question {n}", requestId=f"r{n}") for n in range(8)]
    assert deployed.deliver(deployed.receive(*bodies, "not json", question(temprature=1))) == []
    outcomes = {event["detail"]["requestId"]: event["detail"]["status"] for event in deployed.published()}
    assert {outcomes.pop(f"r{n}") for n in range(8)} == {"answered"}
    assert list(outcomes.values()) == ["failed", "failed"]
    assert len(deployed.messages("dead")) == 2
    assert len(fake_bedrock.calls) == 8


@pytest.mark.parametrize("more", [{}, {"idempotencyKey": "mine"}])
def test_a_message_that_is_delivered_three_times_is_answered_once(
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


def test_a_delivery_waits_while_another_one_is_in_progress(deployed: Any, fake_bedrock: FakeBedrock) -> None:
    delivery = deployed.receive(question(idempotencyKey="k"), receives=5)
    failed: list[str] = []

    def meanwhile() -> dict[str, Any]:
        failed.extend(deployed.deliver(delivery))
        return {}

    run_once(("events", "caller", "k"), question(), meanwhile, context=deployed.context)

    assert failed == [delivery["Records"][0]["messageId"]]
    assert fake_bedrock.calls == ()
    assert deployed.published() == []


def test_a_used_key_with_another_request_is_rejected(deployed: Any, fake_bedrock: FakeBedrock) -> None:
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
    (question(replyTo="arn:aws:sqs:us-east-1:123456789012:unknown"), "replyTo: must be the ARN or URL"),
    (question(responseValidation={"retries": 99}), "responseValidation"),
    (question(featureFallback="no"), "featureFallback: must be true or false"),
    (question(request_id="a", requestId="b"), "request_id: given twice"),
    (question(replyTo=7), "replyTo: must be the ARN or URL"),
    (question(idempotencyKey=""), "idempotencyKey: must be a string"),
    (question(requestId=7), "requestId: must be a string"),
    (sns("{"), "Message: not JSON"),
    (sns(sns(question())), "another SNS notification"),
    ({**event(question()), "detail-type": "Order Placed"}, "detail-type: must be LLM Request"),
    (event("text"), "detail: must be an object"),
    ({"requestId": "../x", "requestKey": "x"}, "requestId: must be 1 to 80"),
    ({"requestId": "x", "requestKey": "batches/b/results.jsonl"}, "requestKey: must be requests/x/"),
    (
        {"requestId": "x", "requestKey": "requests/x/request.json"},
        "requestKey: requests/x/request.json does not exist",
    ),
    (file_created("inbox/x.jsonl", bucket="another-bucket"), "another-bucket"),
    (file_created(f"inbox/{'x' * 1018}.jsonl"), "detail.object.key: must be inbox/*.jsonl"),
    (file_created("inputs/x.jsonl"), "detail.object.key: must be inbox/*.jsonl"),
    (
        file_created("inbox/x.jsonl") | {"detail-type": "Object Deleted"},
        "detail-type: must be Object Created",
    ),
]


@pytest.mark.parametrize(("body", "reason"), POISON)
def test_an_invalid_message_moves_to_the_dead_letter_queue_with_the_reason(
    deployed: Any, fake_bedrock: FakeBedrock, body: Any, reason: str
) -> None:
    delivery = deployed.receive(body)
    # A repeated delivery changes nothing.
    assert [deployed.deliver(delivery) for _ in range(2)] == [[], []]
    (dead,) = deployed.messages("dead")
    attributes = {name: value["StringValue"] for name, value in dead["MessageAttributes"].items()}
    assert dead["Body"] == delivery["Records"][0]["body"]
    assert reason in attributes["reason"]
    assert attributes["problem"] == "invalid-request"
    assert attributes["messageId"] == delivery["Records"][0]["messageId"]
    (published,) = deployed.published()
    assert published["detail-type"] == "LLM Failure"
    assert published["detail"]["requestId"] == attributes["requestId"]
    assert any(reason in error for error in published["detail"]["error"]["errors"])
    assert fake_bedrock.calls == ()


OUTCOME = {"requestId": "r", "status": "failed", "error": {"title": "Bad Request"}}
OWN_EVENT = event(OUTCOME) | {"source": "llmmanager", "detail-type": "LLM Failure"}
BATCH_FINISHED = event({"batchId": "b"}) | {"source": "llmmanager", "detail-type": "Batch Finished"}


@pytest.mark.parametrize("body", [OUTCOME, sns(OUTCOME), OWN_EVENT, sns(OWN_EVENT), BATCH_FINISHED])
def test_an_outcome_that_returns_to_the_queue_moves_to_the_dead_letter_queue_without_an_event(
    deployed: Any, body: Any
) -> None:
    assert deployed.deliver(deployed.receive(body)) == []
    assert deployed.published() == []
    (dead,) = deployed.messages("dead")
    assert dead["MessageAttributes"]["problem"]["StringValue"] == "own-outcome"


def test_a_temporary_failure_delays_the_message_which_is_then_answered(
    deployed: Any, fake_bedrock: FakeBedrock
) -> None:
    delivery = deployed.receive(question(requestId="patient"))
    fake_bedrock.add_fault(DOWN)
    assert deployed.deliver(delivery) == [delivery["Records"][0]["messageId"]]
    fake_bedrock.reset()
    assert deployed.published() == []
    assert deployed.messages("dead") == []
    assert deployed.deliver(delivery) == []
    (published,) = deployed.published()
    assert published["detail"]["status"] == "answered"


def test_a_request_whose_quotas_are_used_up_is_answered_on_a_later_delivery(
    deployed: Any, fake_bedrock: FakeBedrock, make_context: Any
) -> None:
    delivery = deployed.receive(question(models=["Nova Micro"], regions=["us-west-2"]))
    deployed.context = make_context(14)
    fake_bedrock.add_fault(Fault(error="ThrottlingException", retry_after=100))
    assert deployed.deliver(delivery) == [delivery["Records"][0]["messageId"]]
    assert (deployed.published(), deployed.messages("dead")) == ([], [])
    fake_bedrock.reset()
    forget_gates()
    assert deployed.deliver(delivery) == []
    (published,) = deployed.published()
    assert published["detail"]["status"] == "answered"


def test_a_message_whose_last_try_fails_moves_to_the_dead_letter_queue(
    deployed: Any, fake_bedrock: FakeBedrock
) -> None:
    fake_bedrock.add_fault(DOWN)
    assert deployed.deliver(deployed.receive(question(requestId="unlucky"), receives=5)) == []
    (dead,) = deployed.messages("dead")
    assert dead["MessageAttributes"]["problem"]["StringValue"] == "all-targets-failed"
    assert dead["MessageAttributes"]["requestId"]["StringValue"] == "unlucky"
    (published,) = deployed.published()
    assert published["detail"]["error"]["status"] == 503
    assert published["detail"]["error"]["attempts"]


def test_a_failed_request_runs_again_when_it_is_sent_again(deployed: Any, fake_bedrock: FakeBedrock) -> None:
    body = question(idempotencyKey="again")
    fake_bedrock.add_fault(DOWN)
    for _ in range(2):
        deployed.deliver(deployed.receive(body, receives=5))
    assert len(deployed.messages("dead")) == 2
    fake_bedrock.reset()
    deployed.deliver(deployed.receive(body))
    assert [published["detail"]["status"] for published in deployed.published()] == [
        "failed",
        "failed",
        "answered",
    ]


def test_an_answer_that_could_not_be_published_is_published_later_without_a_second_call(
    deployed: Any, fake_bedrock: FakeBedrock, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivery = deployed.receive(question())
    with monkeypatch.context() as patched:
        patched.setattr(replies, "MAX_REPLY_BYTES", 0)
        patched.setenv("LLMMANAGER_BUCKET", "bucket-that-is-not-there")
        deployed.cold_start()
        assert len(deployed.deliver(delivery)) == 1
    deployed.cold_start()
    assert deployed.deliver(delivery) == []
    assert len(fake_bedrock.calls) == 1
    assert len(deployed.published()) == 1


@pytest.mark.parametrize("form", ["arn", "url"])
def test_a_reply_is_sent_to_the_requested_queue(deployed: Any, fake_bedrock: FakeBedrock, form: str) -> None:
    to = deployed.arn("answers") if form == "arn" else deployed.urls["answers"]
    deployed.deliver(deployed.receive(question(requestId="r", replyTo=to)))
    (reply,) = deployed.messages("answers")
    (published,) = deployed.published()
    assert json.loads(reply["Body"]) == published["detail"]


def test_a_failure_is_sent_to_the_requested_queue(deployed: Any, fake_bedrock: FakeBedrock) -> None:
    deployed.deliver(deployed.receive(question(temprature=1, replyTo=deployed.arn("answers"))))
    (reply,) = deployed.messages("answers")
    assert json.loads(reply["Body"])["status"] == "failed"


def test_a_large_answer_is_stored_in_the_bucket(
    deployed: Any, fake_bedrock: FakeBedrock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replies, "MAX_REPLY_BYTES", 300)
    deployed.deliver(deployed.receive(question(requestId="../../batches/x", replyTo=deployed.arn("answers"))))
    (published,) = deployed.published()
    detail = published["detail"]
    assert set(detail) == {"requestId", "status", "resultS3Uri"}
    prefix = f"s3://{deployed.bucket}/"
    assert detail["resultS3Uri"].startswith(f"{prefix}requests/")
    result = deployed.read(detail["resultS3Uri"].removeprefix(prefix))
    assert result["answer"]["text"]
    assert json.loads(deployed.messages("answers")[0]["Body"]) == detail


def test_a_large_answer_is_stored_once_for_the_bus_and_the_reply_queue(
    deployed: Any, fake_bedrock: FakeBedrock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replies, "MAX_REPLY_BYTES", 300)
    s3 = boto3.client("s3")
    s3.put_bucket_versioning(Bucket=deployed.bucket, VersioningConfiguration={"Status": "Enabled"})
    deployed.deliver(deployed.receive(question(replyTo=deployed.arn("answers"))))
    assert len(deployed.messages("answers")) == len(deployed.published()) == 1
    versions = s3.list_object_versions(Bucket=deployed.bucket)["Versions"]
    assert len(versions) == 1


def test_the_result_of_a_stored_request_is_stored_beside_it(deployed: Any, fake_bedrock: FakeBedrock) -> None:
    deployed.put("requests/r-1/request.json", question("From HTTP", models=["Nova Micro"]))
    message = {"requestId": "r-1", "requestKey": "requests/r-1/request.json", "caller": "someone"}
    # SQS may deliver a message twice, and the sender may send it twice.
    for _ in range(2):
        assert deployed.deliver(deployed.receive(message)) == []
    assert [call.prompt for call in fake_bedrock.calls] == ["From HTTP"]
    result = deployed.read("requests/r-1/result.json")
    assert (result["requestId"], result["status"]) == ("r-1", "answered")
    (published,) = deployed.published()
    assert published["detail"] == result


@pytest.mark.parametrize("stored", [b"{", b"[]", b'{"messages": []}'])
def test_the_failure_of_an_invalid_stored_request_is_stored_beside_it(
    deployed: Any, fake_bedrock: FakeBedrock, stored: bytes
) -> None:
    deployed.put("requests/r-1/request.json", stored)
    message = {"requestId": "r-1", "requestKey": "requests/r-1/request.json"}
    assert deployed.deliver(deployed.receive(message)) == []
    assert deployed.read("requests/r-1/result.json")["error"]["status"] == 400
    assert len(deployed.messages("dead")) == 1


def test_a_file_in_the_inbox_starts_one_batch_although_its_event_is_repeated(deployed: Any) -> None:
    for _ in range(3):
        assert deployed.deliver(deployed.receive(file_created("inbox/Monday's prompts.jsonl"))) == []
    ((name, given),) = deployed.batches().items()
    assert name.startswith("inbox-Monday-s-prompts-")
    assert given == {"batchId": name, "inputS3Uri": "s3://bucket-of-the-test/inbox/Monday's prompts.jsonl"}
    # New content under the same name starts another batch.
    deployed.deliver(deployed.receive(file_created("inbox/Monday's prompts.jsonl", etag="def")))
    assert len(deployed.batches()) == 2
