"""Batches that ended before they were done, at whatever step, taken up over HTTP: no answer is paid twice."""

from __future__ import annotations

import json
import os
from collections import Counter

import boto3
import pytest
from moto.stepfunctions.models import stepfunctions_backends

from lambdas.http_api.handler import handler
from llmmanager.testing import Fault

RECORDS = 50


@pytest.fixture
def call(deployed, proxy_event, context):
    """Sends a request; gives status and body of the answer."""

    def send(method, path, body=None):
        answer = handler(proxy_event(method, path, body), context)
        return answer["statusCode"], json.loads(answer["body"])

    return send


@pytest.fixture
def batch(call, machine, records):
    """A batch that was started and whose functions have not run; its id."""
    return call("POST", "/v1/batches", {"requests": records(RECORDS)})[1]["batchId"]


@pytest.fixture
def execution():
    """Finds the execution of this name: its input, and a way to end it as functions that raise would."""

    class Execution:
        def __init__(self, name):
            arn = os.environ["LLMMANAGER_BATCH_STATE_MACHINE_ARN"].replace(":stateMachine:", ":execution:")
            self.name, self.arn = name, f"{arn}:{name}"
            found = boto3.client("stepfunctions").describe_execution(executionArn=self.arn)
            self.input = json.loads(found["input"])

        def ends(self, status):
            backend = stepfunctions_backends["123456789012"]["us-east-1"]
            backend.describe_execution(self.arn).status = status

    return Execution


def run(machine, execution):
    """Does what the execution would; the batch's summary."""
    summary = machine.run(execution.input, name=execution.name)
    execution.ends("SUCCEEDED")
    return summary


def resume(call, batch, execution, *, number=2):
    """Takes the batch up again; the execution that does."""
    status, body = call("POST", f"/v1/batches/{batch}/resume")
    assert (status, body["batchId"], body["status"]) == (202, batch, "running")
    return execution(f"{batch}--r{number}")


def check_done(call, batch, deployed):
    status, body = call("GET", f"/v1/batches/{batch}")
    assert (status, body["status"], body["progress"]["answered"]) == (200, "succeeded", RECORDS)
    asked = Counter(call.prompt for call in deployed.calls if call.status == 200)
    assert asked == {f"Question {number}?": 1 for number in range(RECORDS)}
    assert call("POST", f"/v1/batches/{batch}/resume")[0] == 409


@pytest.mark.parametrize("status", ["FAILED", "TIMED_OUT", "ABORTED"])
def test_a_batch_that_ended_before_it_was_planned_begins_again(
    call, batch, machine, execution, deployed, status
):
    execution(batch).ends(status)
    shown = call("GET", f"/v1/batches/{batch}")[1]
    assert shown["status"] == {"FAILED": "failed", "TIMED_OUT": "timed_out", "ABORTED": "stopped"}[status]
    assert shown["progress"]["records"] is None

    run(machine, resume(call, batch, execution))

    check_done(call, batch, deployed)


def test_a_batch_whose_plan_was_killed_while_it_wrote_begins_again(
    call, batch, machine, execution, deployed, monkeypatch
):
    first = execution(batch)
    machine.plan(first.input, name=batch)
    # The manifest is written last: a plan that is killed leaves some shards and nothing that names them.
    boto3.client("s3").delete_object(
        Bucket=os.environ["LLMMANAGER_BUCKET"], Key=f"batches/{batch}/manifest.json"
    )
    first.ends("FAILED")

    run(machine, resume(call, batch, execution))

    check_done(call, batch, deployed)


def test_a_batch_stopped_between_its_shards_asks_only_what_is_left(call, batch, machine, execution, deployed):
    first, *_ = machine.plan(execution(batch).input, name=batch)
    machine.run_shard(first)
    answered = len(deployed.calls)
    assert call("POST", f"/v1/batches/{batch}/stop")[0] == 200
    shown = call("GET", f"/v1/batches/{batch}")[1]
    assert (shown["status"], shown["progress"]["answered"]) == ("stopped", answered)

    run(machine, resume(call, batch, execution))

    assert 0 < answered < RECORDS
    check_done(call, batch, deployed)


def test_a_batch_whose_last_step_was_killed_is_collected_without_asking_anything(
    call, batch, machine, execution, deployed
):
    first = execution(batch)
    for shard in machine.plan(first.input, name=batch):
        machine.run_shard(shard)
    first.ends("FAILED")
    assert call("GET", f"/v1/batches/{batch}")[1]["progress"]["answered"] == RECORDS
    asked = len(deployed.calls)

    run(machine, resume(call, batch, execution))

    assert len(deployed.calls) == asked
    check_done(call, batch, deployed)


def test_a_batch_that_failures_ended_early_is_taken_up_again_with_the_records_that_were_not_run(
    call, machine, execution, deployed, records
):
    deployed.add_fault(Fault(error="AccessDeniedException", count=1))
    body = {
        "requests": records(RECORDS),
        "models": ["Nova Lite"],
        "regions": ["us-east-1"],
        "failureStrategy": "stopOnFirstFailure",
    }
    batch = call("POST", "/v1/batches", body)[1]["batchId"]
    summary = run(machine, execution(batch))
    assert summary["status"] == "stopped"
    assert call("GET", f"/v1/batches/{batch}")[1]["status"] == "stopped"

    second = resume(call, batch, execution)
    again = run(machine, second)

    # What failed stays failed; what was not run is.
    assert (again["answered"], again["failed"]) == (RECORDS - 1, 1)
    assert second.input["failureStrategy"] == "stopOnFirstFailure"
    asked = Counter(call.prompt for call in deployed.calls)
    assert asked == {f"Question {number}?": 1 for number in range(RECORDS)}


def test_a_batch_that_ends_badly_again_and_again_is_taken_up_each_time(
    call, batch, machine, execution, deployed
):
    name = batch
    for number in range(2, 6):
        current = execution(name)
        shards = machine.plan(current.input, name=name)
        machine.run_shard(shards[(number - 2) % len(shards)])
        current.ends("FAILED")
        name = resume(call, batch, execution, number=number).name

    run(machine, execution(name))

    check_done(call, batch, deployed)
