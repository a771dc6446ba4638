"""Requests by event and message, through the emulator's EventBridge, SNS, SQS, S3 and Lambda."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from infra.local.stack import Stack
from llmmanager.testing import FakeBedrock
from tests.waiting import wait_until

pytestmark = pytest.mark.e2e


def question(text: str, **more: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": [{"text": text}]}]
    return {"messages": messages, "inferenceConfig": {"maxTokens": 60}, **more}


@dataclass(frozen=True)
class EventsDoor:
    """The deployed door, and a queue that hears of every outcome on its bus."""

    stack: Stack
    outputs: dict[str, str]
    heard: str

    def send(self, body: Any) -> str:
        """A message on the request queue; its id."""
        text = body if isinstance(body, str) else json.dumps(body)
        sent = self.stack.client("sqs").send_message(
            QueueUrl=self.outputs["RequestQueueUrl"], MessageBody=text
        )
        return str(sent["MessageId"])

    def outcome(self, request_id: str) -> dict[str, Any]:
        """The event about this request, when it comes."""

        def look() -> dict[str, Any] | None:
            for message in self.receive(self.heard):
                event = json.loads(message["Body"])
                if event["detail"]["requestId"] == request_id:
                    return dict(event)
            return None

        return wait_until(look, every=0.2)

    def dead(self) -> dict[str, Any]:
        """The next message in the dead-letter queue."""
        return wait_until(
            lambda: next(iter(self.receive(self.outputs["DeadLetterQueueUrl"])), None), every=0.2
        )

    def receive(self, url: str) -> list[dict[str, Any]]:
        """What a queue holds now; it is gone from it afterwards."""
        sqs = self.stack.client("sqs")
        messages: list[dict[str, Any]] = sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
        ).get("Messages", [])
        for message in messages:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return messages


@pytest.fixture(scope="module")
def surroundings(run: Any) -> Iterator[EventsDoor]:
    stack = run.stack
    described = stack.client("cloudformation").describe_stacks(StackName="LlmManager")
    outputs = {output["OutputKey"]: output["OutputValue"] for output in described["Stacks"][0]["Outputs"]}
    sqs, events = stack.client("sqs"), stack.client("events")
    url = sqs.create_queue(QueueName="heard")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    rule = {"Rule": "hear", "EventBusName": outputs["EventBusName"]}
    events.put_rule(
        Name="hear",
        EventBusName=outputs["EventBusName"],
        EventPattern=json.dumps({"detail-type": ["LLM Answer", "LLM Failure"]}),
    )
    events.put_targets(**rule, Targets=[{"Id": "heard", "Arn": arn}])
    yield EventsDoor(stack, outputs, url)
    events.remove_targets(**rule, Ids=["heard"])
    events.delete_rule(Name="hear", EventBusName=outputs["EventBusName"])
    sqs.delete_queue(QueueUrl=url)


@pytest.fixture
def door(surroundings: EventsDoor, bedrock: FakeBedrock) -> EventsDoor:
    surroundings.receive(surroundings.heard)
    return surroundings


def test_an_event_is_answered_by_an_event(door: EventsDoor, bedrock: FakeBedrock) -> None:
    request_id = uuid.uuid4().hex
    entry = {
        "EventBusName": door.outputs["EventBusName"],
        "Source": "test",
        "DetailType": "LLM Request",
        "Detail": json.dumps(question("By event", requestId=request_id)),
    }
    assert door.stack.client("events").put_events(Entries=[entry])["FailedEntryCount"] == 0
    told = door.outcome(request_id)
    (call,) = bedrock.calls
    assert (told["source"], told["detail-type"]) == ("llmmanager", "LLM Answer")
    assert (call.prompt, told["detail"]["answer"]["region"]) == ("By event", call.region)


def test_a_message_is_answered_by_an_event(door: EventsDoor, bedrock: FakeBedrock) -> None:
    message_id = door.send(question("By message"))
    assert door.outcome(message_id)["detail"]["answer"]["text"]
    assert [call.prompt for call in bedrock.calls] == ["By message"]


def test_a_notification_is_answered_by_an_event(door: EventsDoor, bedrock: FakeBedrock) -> None:
    request_id = uuid.uuid4().hex
    door.stack.client("sns").publish(
        TopicArn=door.outputs["RequestTopicArn"],
        Message=json.dumps(question("By notification", requestId=request_id)),
    )
    assert door.outcome(request_id)["detail"]["status"] == "answered"
    assert [call.prompt for call in bedrock.calls] == ["By notification"]


def test_a_file_in_the_inbox_becomes_a_batch(door: EventsDoor, bedrock: FakeBedrock) -> None:
    records = [{"recordId": f"r{n}", "modelInput": question(f"Dropped {n}")} for n in range(3)]
    body = "\n".join(map(json.dumps, records)).encode()
    s3, states = door.stack.client("s3"), door.stack.client("stepfunctions")
    s3.put_object(Bucket=door.stack.bucket, Key="inbox/dropped.jsonl", Body=body)

    def summary() -> dict[str, Any] | None:
        listed = states.list_executions(stateMachineArn=door.stack.batch_machine_arn)["executions"]
        for execution in listed:
            if execution["name"].startswith("inbox-dropped-") and execution["status"] == "SUCCEEDED":
                key = f"batches/{execution['name']}/summary.json"
                return dict(json.load(s3.get_object(Bucket=door.stack.bucket, Key=key)["Body"]))
        return None

    assert wait_until(summary)["answered"] == 3
    assert sorted(call.prompt for call in bedrock.calls) == ["Dropped 0", "Dropped 1", "Dropped 2"]


def test_a_request_that_waits_in_the_bucket_is_answered_there(door: EventsDoor, bedrock: FakeBedrock) -> None:
    id_ = uuid.uuid4().hex
    key = f"requests/{id_}/request.json"
    body = json.dumps(question("Later", models=["Nova Micro"])).encode()
    door.stack.client("s3").put_object(Bucket=door.stack.bucket, Key=key, Body=body)
    door.send({"requestId": id_, "requestKey": key})
    told = door.outcome(id_)
    kept = door.stack.client("s3").get_object(Bucket=door.stack.bucket, Key=f"requests/{id_}/result.json")
    assert json.load(kept["Body"]) == told["detail"]
    assert door.stack.api.get(f"/v1/requests/{id_}").expect(200)["answer"] == told["detail"]["answer"]
    assert [call.prompt for call in bedrock.calls] == ["Later"]


def test_an_invocation_returns_the_answer(door: EventsDoor, bedrock: FakeBedrock) -> None:
    response = door.stack.client("lambda").invoke(
        FunctionName=door.outputs["EventsFunctionName"],
        Payload=json.dumps(question("By invocation", requestId="mine")),
    )
    outcome = json.load(response["Payload"])
    assert (outcome["requestId"], outcome["status"]) == ("mine", "answered")
    assert [call.prompt for call in bedrock.calls] == ["By invocation"]


def test_a_poisonous_message_lies_in_the_dead_letter_queue_with_its_reason(
    door: EventsDoor, bedrock: FakeBedrock
) -> None:
    message_id = door.send(question("Poison", models=["Nova Imaginary"]))
    assert door.outcome(message_id)["detail-type"] == "LLM Failure"
    dead = door.dead()
    attributes = {name: value["StringValue"] for name, value in dead["MessageAttributes"].items()}
    assert attributes["messageId"] == message_id
    assert "Nova Imaginary" in attributes["reason"]
    assert json.loads(dead["Body"])["models"] == ["Nova Imaginary"]
    assert bedrock.calls == ()


def test_the_same_request_three_times_is_answered_once(door: EventsDoor, bedrock: FakeBedrock) -> None:
    request_id = uuid.uuid4().hex
    body = question("Three times", requestId=request_id, idempotencyKey=request_id)
    for _ in range(3):
        door.send(body)
    door.outcome(request_id)
    # What comes after them shows that they are done with.
    door.outcome(door.send(question("Last")))
    assert [call.prompt for call in bedrock.calls].count("Three times") == 1


@pytest.fixture
def paused(door: EventsDoor) -> Iterator[Callable[[], None]]:
    """The queue hands nothing over to the function until this is called."""
    lambda_ = door.stack.client("lambda")
    (mapping,) = lambda_.list_event_source_mappings(FunctionName=door.outputs["EventsFunctionName"])[
        "EventSourceMappings"
    ]

    def turn(*, on: bool) -> None:
        lambda_.update_event_source_mapping(UUID=mapping["UUID"], Enabled=on)

    turn(on=False)
    yield lambda: turn(on=True)
    turn(on=True)


def test_a_request_that_the_function_died_of_each_time_ends_as_a_failure_and_may_be_sent_again(
    door: EventsDoor, bedrock: FakeBedrock, paused: Callable[[], None]
) -> None:
    s3, sqs = door.stack.client("s3"), door.stack.client("sqs")
    id_ = uuid.uuid4().hex
    key = f"requests/{id_}/request.json"
    s3.put_object(Bucket=door.stack.bucket, Key=key, Body=json.dumps(question("Deadly")).encode())
    door.send({"requestId": id_, "requestKey": key})
    # Five functions took it, and none said what became of it.
    queue = {"QueueUrl": door.outputs["RequestQueueUrl"], "VisibilityTimeout": 0}
    for _ in range(5):
        wait_until(lambda: sqs.receive_message(**queue).get("Messages"))
    paused()

    told = door.outcome(id_)

    assert told["detail-type"] == "LLM Failure"
    assert told["detail"]["error"]["type"] == "urn:llmmanager:problem:never-ended"
    assert door.stack.api.get(f"/v1/requests/{id_}").expect(200)["status"] == "failed"
    assert bedrock.calls == ()
    dead = door.dead()
    assert dead["MessageAttributes"]["problem"]["StringValue"] == "never-ended"
    door.send(dead["Body"])
    assert door.outcome(id_)["detail"]["status"] == "answered"
    assert door.stack.api.get(f"/v1/requests/{id_}").expect(200)["status"] == "answered"
