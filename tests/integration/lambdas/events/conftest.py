"""The events function in this process, with FakeBedrock as Bedrock and moto as the other services."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import boto3
import pytest
from moto import mock_aws

from lambdas.events.handler import handler
from llmmanager.testing import FakeBedrock

ACCOUNT = "123456789012"
BUCKET = "bucket-of-the-test"
STATE_MACHINE = f"arn:aws:states:us-east-1:{ACCOUNT}:stateMachine:Batch"


class EventsFunction:
    """Invokes the function like the queue, and reads what it has sent and stored."""

    bucket = BUCKET

    def __init__(self, context: Any, cold_start: Any) -> None:
        self.context = context
        self.cold_start = cold_start
        self.sqs = boto3.client("sqs")
        self.urls = {
            name: self.sqs.create_queue(QueueName=name)["QueueUrl"]
            for name in ("requests", "dead", "published", "answers")
        }

    def arn(self, queue: str) -> str:
        return f"arn:aws:sqs:us-east-1:{ACCOUNT}:{queue}"

    def receive(self, *bodies: Any, receives: int = 1) -> dict[str, Any]:
        """Send messages to the request queue and return their event. A string is sent as it is."""
        for body in bodies:
            text = body if isinstance(body, str) else json.dumps(body)
            self.sqs.send_message(QueueUrl=self.urls["requests"], MessageBody=text)
        url = self.urls["requests"]
        received = self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
        return {"Records": [self.record(message, receives=receives) for message in received]}

    def record(self, message: Mapping[str, str], *, receives: int = 1) -> dict[str, Any]:
        """Return the record of a message in the event that the function receives."""
        return {
            "messageId": message["MessageId"],
            "receiptHandle": message["ReceiptHandle"],
            "body": message["Body"],
            "attributes": {"ApproximateReceiveCount": str(receives)},
            "messageAttributes": {},
            "eventSource": "aws:sqs",
            "eventSourceARN": self.arn("requests"),
            "awsRegion": "us-east-1",
        }

    def deliver(self, event: dict[str, Any]) -> list[str]:
        """Return the ids of the messages that the queue must not delete."""
        response = handler(event, self.context)
        return [failure["itemIdentifier"] for failure in response["batchItemFailures"]]

    def invoke(self, event: Any) -> dict[str, Any]:
        return handler(event, self.context)

    def messages(self, queue: str) -> list[dict[str, Any]]:
        """Return and delete all messages of a queue."""
        found: list[dict[str, Any]] = []
        while True:
            received = self.sqs.receive_message(
                QueueUrl=self.urls[queue], MaxNumberOfMessages=10, MessageAttributeNames=["All"]
            ).get("Messages", [])
            for message in received:
                self.sqs.delete_message(QueueUrl=self.urls[queue], ReceiptHandle=message["ReceiptHandle"])
            found += received
            if len(received) < 10:
                return found

    def published(self) -> list[dict[str, Any]]:
        """Return the events on the bus since the last call."""
        return [json.loads(message["Body"]) for message in self.messages("published")]

    def put(self, key: str, value: Any) -> None:
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        boto3.client("s3").put_object(Bucket=BUCKET, Key=key, Body=body)

    def read(self, key: str) -> Any:
        return json.loads(boto3.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read())

    def batch(self, name: str) -> dict[str, Any]:
        """Return the description of the execution with this name."""
        execution = f"{STATE_MACHINE.replace(':stateMachine:', ':execution:')}:{name}"
        return boto3.client("stepfunctions").describe_execution(executionArn=execution)

    def batches(self) -> dict[str, Any]:
        """Return the inputs of the started batches by their names."""
        states = boto3.client("stepfunctions")
        listed = states.list_executions(stateMachineArn=STATE_MACHINE)["executions"]
        return {
            execution["name"]: json.loads(
                states.describe_execution(executionArn=execution["executionArn"])["input"]
            )
            for execution in listed
        }


@pytest.fixture
def deployed(
    fake_bedrock: FakeBedrock,
    session: boto3.Session,
    make_context: Any,
    cold_start: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[EventsFunction]:
    """The function with its environment variables and the resources around it."""
    with mock_aws(config={"core": {"passthrough": {"urls": [f"{fake_bedrock.endpoint_url}.*"]}}}):
        monkeypatch.setattr(boto3, "DEFAULT_SESSION", session)
        function = EventsFunction(make_context(300), cold_start)
        for name, value in {
            "LLMMANAGER_MODELS": json.dumps(["Nova Lite", "Nova Micro"]),
            "LLMMANAGER_REGIONS": json.dumps(["us-east-1", "us-west-2"]),
            "LLMMANAGER_TABLE": "catalog",
            "LLMMANAGER_REQUEST_TABLE": "requests",
            "LLMMANAGER_USAGE_TABLE": "usage",
            "LLMMANAGER_BUCKET": BUCKET,
            "LLMMANAGER_BATCH_STATE_MACHINE_ARN": STATE_MACHINE,
            "LLMMANAGER_WORKER_CONCURRENCY": "8",
            "LLMMANAGER_MAP_CONCURRENCY": "10",
            "LLMMANAGER_SHARD_SIZE": "500",
            "LLMMANAGER_EVENT_BUS": "bus",
            "LLMMANAGER_REQUEST_QUEUE_URL": function.urls["requests"],
            "LLMMANAGER_DEAD_LETTER_QUEUE_URL": function.urls["dead"],
            "LLMMANAGER_REPLY_QUEUES": json.dumps([function.arn("answers")]),
            "LLMMANAGER_MAX_TRIES": "5",
        }.items():
            monkeypatch.setenv(name, value)
        _create_resources(function)
        cold_start()
        yield function
        cold_start()


def _create_resources(function: EventsFunction) -> None:
    boto3.client("s3").create_bucket(Bucket=BUCKET)
    tables = {"catalog": ("pk", "sk"), "requests": ("id",), "usage": ("pk", "sk")}
    for table, keys in tables.items():
        boto3.client("dynamodb").create_table(
            TableName=table,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
            KeySchema=[
                {"AttributeName": key, "KeyType": kind}
                for key, kind in zip(keys, ("HASH", "RANGE"), strict=False)
            ],
        )
    machine = {"StartAt": "Plan", "States": {"Plan": {"Type": "Pass", "End": True}}}
    boto3.client("stepfunctions").create_state_machine(
        name="Batch", definition=json.dumps(machine), roleArn=f"arn:aws:iam::{ACCOUNT}:role/any"
    )
    bus = boto3.client("events")
    bus.create_event_bus(Name="bus")
    bus.put_rule(Name="all", EventBusName="bus", EventPattern=json.dumps({"source": ["llmmanager"]}))
    targets = [{"Id": "published", "Arn": function.arn("published")}]
    bus.put_targets(Rule="all", EventBusName="bus", Targets=targets)
