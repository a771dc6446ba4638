"""The end of a batch's execution is published, and its workers stop."""

from __future__ import annotations

import json

import boto3
import pytest

from lambdas.batch import execution_ended, stop_signal
from lambdas.shared import clients
from lambdas.shared.event_bus import NotPublished

EXECUTION = "arn:aws:states:us-east-1:123456789012:execution:Batch:"


@pytest.fixture
def published(deployed):
    """Returns the events on the bus since the last call."""
    bus, sqs = boto3.client("events"), boto3.client("sqs")
    queue = sqs.create_queue(QueueName="published")["QueueUrl"]
    arn = "arn:aws:sqs:us-east-1:123456789012:published"
    bus.create_event_bus(Name="bus-of-the-test")
    rule = {"Name": "publish", "EventBusName": "bus-of-the-test"}
    bus.put_rule(**rule, EventPattern=json.dumps({"source": ["llmmanager"]}))
    bus.put_targets(Rule="publish", EventBusName="bus-of-the-test", Targets=[{"Id": "published", "Arn": arn}])

    def receive():
        found = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", [])
        for message in found:
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return [json.loads(message["Body"]) for message in found]

    return receive


def ended(name, status, data, **more):
    """Deliver the event of Step Functions for an execution that has ended."""
    detail = {
        "executionArn": EXECUTION + name,
        "name": name,
        "status": status,
        "input": json.dumps(data) if data is not None else None,
        **more,
    }
    return {"source": "aws.states", "detail-type": "Step Functions Execution Status Change", "detail": detail}


def deliver_end(context, *args, **kwargs):
    execution_ended.handler(ended(*args, **kwargs), context)


def test_the_end_of_a_batch_is_published_with_counts_cost_and_files(machine, context, published, records):
    data = {"batchId": "mine", "inputS3Uri": machine.put([*records(3), b"bad\n"])}
    summary = machine.run(data, name="first")

    deliver_end(context, "first", "SUCCEEDED", data)

    (event,) = published()
    assert (event["source"], event["detail-type"]) == ("llmmanager", "Batch Finished")
    folder = "s3://batches-of-the-test/batches/mine/"
    assert event["detail"] == {
        "batchId": "mine",
        "execution": "first",
        "status": "succeeded",
        "counts": {"records": 4, "answered": 3, "failed": 0, "rejected": 1},
        "estimatedCostUsd": summary["estimatedCostUsd"],
        "attemptsWithUnknownUsage": 0,
        "results": {
            "results": f"{folder}results.jsonl",
            "failed": f"{folder}failed.jsonl",
            "rejected": f"{folder}rejected.jsonl",
            "summary": f"{folder}summary.json",
            "report": f"{folder}report.html",
        },
    }


def test_a_repeated_event_is_published_once(machine, context, published, records):
    machine.run({"requests": records(1)})

    for _ in range(3):
        deliver_end(context, "batch-1", "SUCCEEDED", {"requests": records(1)})

    assert len(published()) == 1


def test_an_event_that_the_bus_rejects_is_published_the_next_time(
    machine, context, published, records, monkeypatch
):
    machine.run({"requests": records(1)})
    rejected = {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "InternalFailure"}]}
    with monkeypatch.context() as patched:
        patched.setattr(clients.event_bridge(), "put_events", lambda **_: rejected)
        with pytest.raises(NotPublished, match="InternalFailure"):
            deliver_end(context, "batch-1", "SUCCEEDED", {"requests": records(1)})

    deliver_end(context, "batch-1", "SUCCEEDED", {"requests": records(1)})

    assert len(published()) == 1


@pytest.mark.parametrize(
    ("status", "reported"), [("ABORTED", "stopped"), ("FAILED", "failed"), ("TIMED_OUT", "timed_out")]
)
def test_the_end_of_an_interrupted_batch_is_published_with_its_progress(
    machine, context, published, records, status, reported
):
    data = {"batchId": "mine", "inputS3Uri": machine.put(records(40))}
    first, _ = machine.plan(data, name="first")
    machine.run_shard(first)

    deliver_end(context, "first", status, data, cause="because")

    (event,) = published()
    assert event["detail"] == {
        "batchId": "mine",
        "execution": "first",
        "status": reported,
        "reason": "because",
        "counts": {"records": 40, "answered": 32, "failed": 0, "rejected": 0},
        "estimatedCostUsd": None,
        "attemptsWithUnknownUsage": None,
        "results": None,
    }


def test_the_end_of_a_batch_without_a_plan_is_published_with_the_reason(machine, context, published):
    cause = json.dumps({"errorType": "InvalidBatch", "errorMessage": "requests: must be", "stackTrace": []})

    for name, data in (("a", {"requests": []}), ("b", {"batchId": "../a"}), ("c", []), ("d", "text")):
        deliver_end(context, name, "FAILED", data, cause=cause)

    details = [event["detail"] for event in published()]
    assert [detail["batchId"] for detail in details] == ["a", "b", "c", "d"]
    assert {detail["reason"] for detail in details} == {"requests: must be"}
    assert details[0]["counts"] == {"records": None, "answered": None, "failed": None, "rejected": None}


@pytest.mark.parametrize(
    ("cause", "reason"),
    [
        ('{"errorType": "MemoryError", "errorMessage": "", "stackTrace": ["at"]}', "MemoryError"),
        ("requests: must be a list", "requests: must be a list"),
        ('{"stackTrace": 1}', '{"stackTrace": 1}'),
        ("[7]", "[7]"),
        (None, "no reason was given"),
    ],
)
def test_the_reason_is_read_in_every_form_of_step_functions(machine, context, published, cause, reason):
    deliver_end(context, "a", "FAILED", {"requests": []}, cause=cause)

    (event,) = published()
    assert event["detail"]["reason"] == reason


def test_an_input_that_is_too_long_for_the_event_is_read_from_step_functions(
    machine, context, published, records
):
    data = {"batchId": "mine", "requests": records(1)}
    started = clients.step_functions().start_execution(
        stateMachineArn="arn:aws:states:us-east-1:123456789012:stateMachine:Batch",
        name="first",
        input=json.dumps(data),
    )
    machine.run(data, name="first")

    deliver_end(context, "first", "SUCCEEDED", None, executionArn=started["executionArn"])

    (event,) = published()
    assert event["detail"]["batchId"] == "mine"


def test_the_workers_of_a_stopped_execution_start_no_records(
    machine, deployed, context, published, records, monkeypatch
):
    monkeypatch.setattr(stop_signal, "CHECK_SECONDS", 0)
    data = {"batchId": "mine", "inputS3Uri": machine.put(records(96))}
    items = machine.plan(data, name="first")
    machine.run_shard(items[0])

    deliver_end(context, "first", "ABORTED", data)
    left = [machine.run_shard(item) for item in items[1:]]

    assert [(item["done"], item["answered"]) for item in left] == [(True, 0), (True, 0)]
    assert len(deployed.calls) == 32


def test_the_workers_of_the_resuming_execution_continue(machine, deployed, context, published, records):
    data = {"batchId": "mine", "inputS3Uri": machine.put(records(96))}
    before = machine.plan(data, name="first")
    machine.run_shard(before[0])
    deliver_end(context, "first", "ABORTED", data)

    summary = machine.run(data, name="second")
    late = machine.run_shard(before[1])

    assert (summary["status"], summary["answered"]) == ("succeeded", 96)
    assert late["answered"] == 32
    assert len(deployed.calls) == 96
