"""Requests by event, message, file and invocation, through EventBridge, SNS, SQS, S3 and Lambda."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from llmmanager.testing import FakeBedrock
from local.deployed_stack import Stack
from tests.waiting import wait_until

pytestmark = pytest.mark.e2e


def request_body(text: str, **more: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": [{"text": text}]}]
    return {"messages": messages, "inferenceConfig": {"maxTokens": 60}, **more}


@dataclass(frozen=True)
class EventsEntryPoint:
    """The deployed events function, and a queue that receives all outcomes from its event bus."""

    stack: Stack
    outputs: dict[str, str]
    outcome_queue: str

    def send(self, body: Any) -> str:
        """Send a message to the request queue; return its id."""
        text = body if isinstance(body, str) else json.dumps(body)
        sent = self.stack.client("sqs").send_message(
            QueueUrl=self.outputs["RequestQueueUrl"], MessageBody=text
        )
        return str(sent["MessageId"])

    def outcome(self, request_id: str) -> dict[str, Any]:
        """Wait for the event with the outcome of this request."""

        def poll() -> dict[str, Any] | None:
            for message in self.receive(self.outcome_queue):
                event = json.loads(message["Body"])
                if event["detail"]["requestId"] == request_id:
                    return dict(event)
            return None

        return wait_until(poll, every=0.2)

    def dead_letter(self) -> dict[str, Any]:
        """Wait for the next message in the dead-letter queue."""
        return wait_until(
            lambda: next(iter(self.receive(self.outputs["DeadLetterQueueUrl"])), None), every=0.2
        )

    def receive(self, url: str) -> list[dict[str, Any]]:
        """Receive and delete the messages of a queue."""
        sqs = self.stack.client("sqs")
        messages: list[dict[str, Any]] = sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
        ).get("Messages", [])
        for message in messages:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return messages


@pytest.fixture(scope="module")
def deployed(run: Any) -> Iterator[EventsEntryPoint]:
    stack = run.stack
    described = stack.client("cloudformation").describe_stacks(StackName="LlmManager")
    outputs = {output["OutputKey"]: output["OutputValue"] for output in described["Stacks"][0]["Outputs"]}
    sqs, events = stack.client("sqs"), stack.client("events")
    url = sqs.create_queue(QueueName="outcomes")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    rule = {"Rule": "outcomes", "EventBusName": outputs["EventBusName"]}
    events.put_rule(
        Name="outcomes",
        EventBusName=outputs["EventBusName"],
        EventPattern=json.dumps({"detail-type": ["LLM Answer", "LLM Failure"]}),
    )
    events.put_targets(**rule, Targets=[{"Id": "outcomes", "Arn": arn}])
    yield EventsEntryPoint(stack, outputs, url)
    events.remove_targets(**rule, Ids=["outcomes"])
    events.delete_rule(Name="outcomes", EventBusName=outputs["EventBusName"])
    sqs.delete_queue(QueueUrl=url)


@pytest.fixture
def events(deployed: EventsEntryPoint, bedrock: FakeBedrock) -> EventsEntryPoint:
    deployed.receive(deployed.outcome_queue)
    return deployed


def test_an_event_is_answered_by_an_event(events: EventsEntryPoint, bedrock: FakeBedrock) -> None:
    request_id = uuid.uuid4().hex
    entry = {
        "EventBusName": events.outputs["EventBusName"],
        "Source": "test",
        "DetailType": "LLM Request",
        "Detail": json.dumps(request_body("By event", requestId=request_id)),
    }
    assert events.stack.client("events").put_events(Entries=[entry])["FailedEntryCount"] == 0
    event = events.outcome(request_id)
    (call,) = bedrock.calls
    assert (event["source"], event["detail-type"]) == ("llmmanager", "LLM Answer")
    assert (call.prompt, event["detail"]["answer"]["region"]) == ("By event", call.region)


def test_a_message_is_answered_by_an_event(events: EventsEntryPoint, bedrock: FakeBedrock) -> None:
    message_id = events.send(request_body("By message"))
    assert events.outcome(message_id)["detail"]["answer"]["text"]
    assert [call.prompt for call in bedrock.calls] == ["By message"]


def test_a_notification_is_answered_by_an_event(events: EventsEntryPoint, bedrock: FakeBedrock) -> None:
    request_id = uuid.uuid4().hex
    events.stack.client("sns").publish(
        TopicArn=events.outputs["RequestTopicArn"],
        Message=json.dumps(request_body("By notification", requestId=request_id)),
    )
    assert events.outcome(request_id)["detail"]["status"] == "answered"
    assert [call.prompt for call in bedrock.calls] == ["By notification"]


def test_a_file_in_the_inbox_becomes_a_batch(events: EventsEntryPoint, bedrock: FakeBedrock) -> None:
    records = [{"recordId": f"r{n}", "modelInput": request_body(f"Dropped {n}")} for n in range(3)]
    body = "\n".join(map(json.dumps, records)).encode()
    s3, states = events.stack.client("s3"), events.stack.client("stepfunctions")
    s3.put_object(Bucket=events.stack.bucket, Key="inbox/dropped.jsonl", Body=body)

    def summary() -> dict[str, Any] | None:
        listed = states.list_executions(stateMachineArn=events.stack.batch_machine_arn)["executions"]
        for execution in listed:
            if execution["name"].startswith("inbox-dropped-") and execution["status"] == "SUCCEEDED":
                key = f"batches/{execution['name']}/summary.json"
                return dict(json.load(s3.get_object(Bucket=events.stack.bucket, Key=key)["Body"]))
        return None

    assert wait_until(summary)["answered"] == 3
    assert sorted(call.prompt for call in bedrock.calls) == ["Dropped 0", "Dropped 1", "Dropped 2"]


def test_a_stored_request_is_answered_in_the_bucket(events: EventsEntryPoint, bedrock: FakeBedrock) -> None:
    id_ = uuid.uuid4().hex
    key = f"requests/{id_}/request.json"
    body = json.dumps(request_body("Later", models=["Nova Micro"])).encode()
    events.stack.client("s3").put_object(Bucket=events.stack.bucket, Key=key, Body=body)
    events.send({"requestId": id_, "requestKey": key})
    event = events.outcome(id_)
    stored = events.stack.client("s3").get_object(
        Bucket=events.stack.bucket, Key=f"requests/{id_}/result.json"
    )
    assert json.load(stored["Body"]) == event["detail"]
    assert events.stack.api.get(f"/v1/requests/{id_}").expect(200)["answer"] == event["detail"]["answer"]
    assert [call.prompt for call in bedrock.calls] == ["Later"]


def test_an_invocation_returns_the_answer(events: EventsEntryPoint, bedrock: FakeBedrock) -> None:
    response = events.stack.client("lambda").invoke(
        FunctionName=events.outputs["EventsFunctionName"],
        Payload=json.dumps(request_body("By invocation", requestId="mine")),
    )
    outcome = json.load(response["Payload"])
    assert (outcome["requestId"], outcome["status"]) == ("mine", "answered")
    assert [call.prompt for call in bedrock.calls] == ["By invocation"]


def test_an_invalid_message_is_sent_to_the_dead_letter_queue_with_the_reason(
    events: EventsEntryPoint, bedrock: FakeBedrock
) -> None:
    message_id = events.send(request_body("Invalid", models=["Nova Imaginary"]))
    assert events.outcome(message_id)["detail-type"] == "LLM Failure"
    dead = events.dead_letter()
    attributes = {name: value["StringValue"] for name, value in dead["MessageAttributes"].items()}
    assert attributes["messageId"] == message_id
    assert "Nova Imaginary" in attributes["reason"]
    assert json.loads(dead["Body"])["models"] == ["Nova Imaginary"]
    assert bedrock.calls == ()


def test_a_request_sent_three_times_is_answered_once(events: EventsEntryPoint, bedrock: FakeBedrock) -> None:
    request_id = uuid.uuid4().hex
    body = request_body("Three times", requestId=request_id, idempotencyKey=request_id)
    for _ in range(3):
        events.send(body)
    events.outcome(request_id)
    # After the answer to a later message, the earlier ones are done.
    events.outcome(events.send(request_body("Last")))
    assert [call.prompt for call in bedrock.calls].count("Three times") == 1


@pytest.fixture
def resume_queue(events: EventsEntryPoint) -> Iterator[Callable[[], None]]:
    """Pause the event source mapping of the queue. Returns a function that resumes it."""
    lambda_ = events.stack.client("lambda")
    (mapping,) = lambda_.list_event_source_mappings(FunctionName=events.outputs["EventsFunctionName"])[
        "EventSourceMappings"
    ]

    def enable(enabled: bool) -> None:
        lambda_.update_event_source_mapping(UUID=mapping["UUID"], Enabled=enabled)

    enable(False)
    yield lambda: enable(True)
    enable(True)


def test_a_request_that_always_crashes_the_function_fails_and_can_be_sent_again(
    events: EventsEntryPoint, bedrock: FakeBedrock, resume_queue: Callable[[], None]
) -> None:
    s3, sqs = events.stack.client("s3"), events.stack.client("sqs")
    id_ = uuid.uuid4().hex
    key = f"requests/{id_}/request.json"
    s3.put_object(Bucket=events.stack.bucket, Key=key, Body=json.dumps(request_body("Crash")).encode())
    events.send({"requestId": id_, "requestKey": key})
    # Five receivers got the message, and none of them reported an outcome.
    queue = {"QueueUrl": events.outputs["RequestQueueUrl"], "VisibilityTimeout": 0}
    for _ in range(5):
        wait_until(lambda: sqs.receive_message(**queue).get("Messages"))
    resume_queue()

    event = events.outcome(id_)

    assert event["detail-type"] == "LLM Failure"
    assert event["detail"]["error"]["type"] == "urn:llmmanager:problem:never-ended"
    assert events.stack.api.get(f"/v1/requests/{id_}").expect(200)["status"] == "failed"
    assert bedrock.calls == ()
    dead = events.dead_letter()
    assert dead["MessageAttributes"]["problem"]["StringValue"] == "never-ended"
    events.send(dead["Body"])
    assert events.outcome(id_)["detail"]["status"] == "answered"
    assert events.stack.api.get(f"/v1/requests/{id_}").expect(200)["status"] == "answered"
