"""An Idempotency-Key whose first attempt started something but could not record it."""

from __future__ import annotations

import json
import os
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from lambdas.events import handler as events_handler
from lambdas.http_api.handler import handler
from lambdas.shared import clients

REQUEST = {"messages": [{"role": "user", "content": [{"text": "What is the capital of France?"}]}]}


class Stopped(BaseException):
    """Raised where the function stops. Not an Exception, so that the function does not handle it."""


@pytest.fixture
def call(deployed: Any, proxy_event: Any, make_context: Any) -> Any:
    """Sends a request with a key and returns status, body and headers."""

    def send(
        path: str, body: Any, *, key: str = "k", seconds: float = 29, **headers: str
    ) -> tuple[int, Any, Any]:
        event = proxy_event("POST", path, body)
        event["headers"] = {"Idempotency-Key": key, **headers}
        event["requestContext"]["identity"] = {"userArn": "arn:aws:iam::1:user/ada"}
        response = handler(event, make_context(seconds))
        return response["statusCode"], json.loads(response["body"]), response["headers"]

    return send


@pytest.fixture
def stop_after(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Stops the function after its next call of an operation, which succeeds."""

    def arrange(client: Any, operation: str, error: BaseException | None = None) -> None:
        real = getattr(client, operation)

        def call_and_stop(**arguments: Any) -> Any:
            real(**arguments)
            monkeypatch.setattr(client, operation, real)
            raise error or Stopped

        monkeypatch.setattr(client, operation, call_and_stop)

    return arrange


def executions() -> list[str]:
    machine = os.environ["LLMMANAGER_BATCH_STATE_MACHINE_ARN"]
    listed = boto3.client("stepfunctions").list_executions(stateMachineArn=machine)["executions"]
    return [execution["name"] for execution in listed]


def throttled(operation: str) -> ClientError:
    return ClientError({"Error": {"Code": "ThrottlingException", "Message": "too fast"}}, operation)


def test_a_batch_is_started_once_although_the_function_stopped_before_it_recorded_the_start(
    call, records, stop_after
):
    body = {"requests": records(2)}
    stop_after(clients.step_functions(), "start_execution")
    # With no time left, the record of the first attempt expires at once.
    with pytest.raises(Stopped):
        call("/v1/batches", body, seconds=0)
    (started,) = executions()

    status, response, _ = call("/v1/batches", body)

    assert (status, response["batchId"]) == (202, started)
    assert executions() == [started]


@pytest.mark.parametrize("state", ["RUNNING", "ABORTED"])
def test_a_batch_is_started_once_although_the_first_attempt_returned_an_error(
    call, records, stop_after, state
):
    body = {"requests": records(2), "models": ["Nova Lite"]}
    stop_after(clients.step_functions(), "start_execution", throttled("StartExecution"))
    assert call("/v1/batches", body)[0] == 503
    (started,) = executions()
    if state == "ABORTED":
        arn = os.environ["LLMMANAGER_BATCH_STATE_MACHINE_ARN"].replace(":stateMachine:", ":execution:")
        boto3.client("stepfunctions").stop_execution(executionArn=f"{arn}:{started}")

    status, response, _ = call("/v1/batches", body)

    assert (status, response["batchId"]) == (202, started)
    assert executions() == [started]
    assert call("/v1/batches", body)[2]["Idempotent-Replay"] == "true"


def test_a_batch_is_started_once_although_dynamodb_did_not_store_the_record(call, records, monkeypatch):
    body = {"requests": records(2)}
    with monkeypatch.context() as broken:

        def fail(**_: Any) -> None:
            raise throttled("UpdateItem")

        broken.setattr(clients.dynamodb(), "update_item", fail)
        status, first, _ = call("/v1/batches", body, seconds=0)
    assert status == 202

    assert call("/v1/batches", body)[1] == first
    assert executions() == [first["batchId"]]


def test_another_body_with_a_key_that_has_started_a_batch_is_rejected(call, records, stop_after):
    stop_after(clients.step_functions(), "start_execution", throttled("StartExecution"))
    call("/v1/batches", {"requests": records(2)})

    status, problem, _ = call("/v1/batches", {"requests": records(3)})

    assert (status, problem["type"]) == (422, "urn:llmmanager:problem:idempotency-key-reused")
    assert len(executions()) == 1


def test_a_rejected_body_can_be_corrected_with_the_same_key(call, records):
    assert call("/v1/batches", {"requests": records(2), "priority": 99})[0] == 400

    assert call("/v1/batches", {"requests": records(2), "priority": 1})[0] == 202


def test_without_dynamodb_a_batch_with_a_key_is_not_started(call, records, monkeypatch):
    def fail(**_: Any) -> None:
        raise throttled("PutItem")

    real = clients.dynamodb().put_item

    def fail_for_ids(**arguments: Any) -> Any:
        return (fail if "body" in arguments["Item"] else real)(**arguments)

    monkeypatch.setattr(clients.dynamodb(), "put_item", fail_for_ids)

    status, problem, _ = call("/v1/batches", {"requests": records(2)})

    assert (status, problem["type"]) == (503, "urn:llmmanager:problem:store-unavailable")
    assert executions() == []


def test_each_key_starts_its_own_batch(call, records):
    body = {"requests": records(2)}

    ids = {call("/v1/batches", body, key=key)[1]["batchId"] for key in ("a", "b")}

    assert set(executions()) == ids
    assert len(ids) == 2


def test_a_request_that_was_queued_twice_is_answered_once(
    call, deployed, stop_after, monkeypatch, cold_start, make_context
):
    sqs = boto3.client("sqs")
    url = sqs.create_queue(QueueName="requests")["QueueUrl"]
    boto3.client("events").create_event_bus(Name="bus-of-the-test")
    for name, value in {
        "LLMMANAGER_REQUEST_QUEUE_URL": url,
        "LLMMANAGER_DEAD_LETTER_QUEUE_URL": url,
        "LLMMANAGER_MAX_TRIES": "5",
    }.items():
        monkeypatch.setenv(name, value)
    cold_start()
    stop_after(clients.sqs(), "send_message", throttled("SendMessage"))
    assert call("/v1/converse", REQUEST, Prefer="respond-async")[0] == 503
    assert call("/v1/converse", REQUEST, Prefer="respond-async")[0] == 202

    queued = sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, AttributeNames=["ApproximateReceiveCount"]
    )["Messages"]
    assert len(queued) == 2
    for message in queued:
        record = {
            "eventSource": "aws:sqs",
            "messageId": message["MessageId"],
            "body": message["Body"],
            "receiptHandle": message["ReceiptHandle"],
            "attributes": {"ApproximateReceiveCount": "1"},
        }
        assert events_handler.handler({"Records": [record]}, make_context(300)) == {"batchItemFailures": []}
    assert len(deployed.calls) == 1
