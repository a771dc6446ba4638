"""A batch whose execution was stopped, failed or timed out has results and a report."""

from __future__ import annotations

import json

import boto3
import pytest

from lambdas.batch import execution_ended, interrupted_batch
from lambdas.batch.batch_control import resume_batch
from lambdas.batch.batch_status import read_status
from lambdas.batch.storage import BatchStorage
from tests.deployed_storage import BUCKET
from tests.integration.lambdas.batch.executions import Execution

RECORDS = 40
FOLDER = "batches/job/ended/job/"


@pytest.fixture(autouse=True)
def _bus(deployed):
    boto3.client("events").create_event_bus(Name="bus-of-the-test")


@pytest.fixture
def interrupted(machine, records, context):
    """Starts a batch, answers the first 32 of its 40 records, and ends its execution."""

    def run(status="ABORTED", *, cause="because"):
        execution = Execution("job", {"inputS3Uri": machine.put([*records(RECORDS), b"bad\n"])})
        first, _ = execution.plan(machine)
        machine.run_shard(first)
        execution.ends(status)
        execution_ended.handler(execution.end_event(cause=cause), context)
        return execution

    return run


@pytest.mark.parametrize(
    ("status", "reported", "verdict"),
    [
        ("ABORTED", "stopped", "Ended early: because. "),
        ("FAILED", "failed", "The batch failed: because. "),
        ("TIMED_OUT", "timed_out", "The batch timed out: because. "),
    ],
)
def test_an_interrupted_batch_has_its_results_and_a_report(machine, interrupted, status, reported, verdict):
    interrupted(status, cause="because.")

    state = read_status("job")
    report = machine.read(f"{FOLDER}report.html").decode()
    failed = machine.lines("ended/job/failed.jsonl", batch="job")
    assert (state["status"], state["error"]) == (reported, "because.")
    assert state["progress"] == {"records": 41, "answered": 32, "failed": 8, "rejected": 1}
    assert state["summary"]["estimatedCostUsd"] > 0
    assert state["results"] == {
        "results": f"s3://{BUCKET}/{FOLDER}results.jsonl",
        "failed": f"s3://{BUCKET}/{FOLDER}failed.jsonl",
        "rejected": f"s3://{BUCKET}/batches/job/rejected.jsonl",
        "summary": f"s3://{BUCKET}/{FOLDER}summary.json",
        "report": f"s3://{BUCKET}/{FOLDER}report.html",
    }
    assert f"{verdict}78.0 % of the records were answered, 8 failed, 1 rejected." in report
    assert len(machine.lines("ended/job/results.jsonl", batch="job")) == 32
    assert {result["error"]["type"] for result in failed} == {"ExecutionEnded"}


def test_the_files_of_the_resumed_batch_are_those_of_all_records(machine, deployed, interrupted, context):
    interrupted()
    resume_batch("job")
    resumed = Execution("job--r2")
    assert read_status("job")["status"] == "running"

    for item in resumed.plan(machine):
        machine.run_shard(item)
    machine.collect()
    resumed.ends("SUCCEEDED")

    state = read_status("job")
    assert (state["status"], state["progress"]["answered"]) == ("succeeded", RECORDS)
    assert state["results"]["results"] == f"s3://{BUCKET}/batches/job/results.jsonl"
    assert "error" not in state
    assert len(deployed.calls) == RECORDS


def test_the_files_of_a_second_interruption_follow_those_of_the_first_one(machine, interrupted, context):
    interrupted()
    resume_batch("job")
    resumed = Execution("job--r2")
    for item in resumed.plan(machine):
        machine.run_shard(item)
    resumed.ends("FAILED")

    execution_ended.handler(resumed.end_event(cause="collect failed"), context)

    state = read_status("job")
    assert (state["status"], state["progress"]["answered"]) == ("failed", RECORDS)
    assert "/ended/job--r2/" in state["results"]["report"]


def test_a_batch_that_was_resumed_before_its_end_was_handled_gets_no_files(machine, records, context):
    execution = Execution("job", {"inputS3Uri": machine.put(records(RECORDS))})
    execution.plan(machine)
    execution.ends("ABORTED")
    resume_batch("job")
    Execution("job--r2").plan(machine)

    execution_ended.handler(execution.end_event(), context)

    assert machine.keys(FOLDER) == []


def test_a_repeated_event_does_not_collect_again(machine, interrupted, context):
    execution = interrupted()
    boto3.client("s3").delete_object(Bucket=BUCKET, Key=f"{FOLDER}report.html")

    execution_ended.handler(execution.end_event(), context)

    assert f"{FOLDER}report.html" not in machine.keys(FOLDER)


def test_a_batch_without_a_plan_gets_no_files(machine, context):
    execution = Execution("job", {"inputS3Uri": f"s3://{BUCKET}/missing"})
    execution.ends("FAILED")

    execution_ended.handler(execution.end_event(), context)

    assert machine.keys(FOLDER) == []
    assert read_status("job")["status"] == "failed"


def test_results_of_calls_in_progress_are_awaited(machine, records, monkeypatch, context):
    execution = Execution("job", {"inputS3Uri": machine.put(records(RECORDS))})
    items = execution.plan(machine)
    storage = BatchStorage(BUCKET, "job")

    def finish_a_call(_seconds):
        if items:
            line = json.dumps(
                {
                    **answered,
                    "recordId": json.loads(storage.read(items.pop()["key"]).splitlines()[0])["recordId"],
                }
            )
            storage.add_part(len(items), [line.encode() + b"\n"], number=1, answered=1, failed=0)

    answered = {"status": "answered", "model": "m", "region": "us-east-1", "attempts": 1}
    monkeypatch.setattr(interrupted_batch.time, "sleep", finish_a_call)
    execution.ends("ABORTED")

    execution_ended.handler(execution.end_event(cause="because"), context)

    assert read_status("job")["progress"]["answered"] == 2


def test_the_usage_of_workers_that_may_still_run_is_left_to_them(machine, records, context, operations):
    execution = Execution("job", {"inputS3Uri": machine.put(records(RECORDS))})
    machine.run_shard(execution.plan(machine)[0])
    execution.ends("ABORTED")
    operations.clear()

    execution_ended.handler(execution.end_event(cause="because"), context)

    # The function has no access to the usage table.
    assert not {"Query", "GetItem", "BatchGetItem", "TransactWriteItems"} & set(operations)
    assert f"{FOLDER}summary.json" in machine.keys(FOLDER)
