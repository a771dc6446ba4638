"""Batches that ended at any step and are resumed over HTTP: no answer is paid for twice."""

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
    """Sends a request and returns status and body."""

    def send(method, path, body=None):
        response = handler(proxy_event(method, path, body), context)
        return response["statusCode"], json.loads(response["body"])

    return send


@pytest.fixture
def batch(call, machine, records):
    """The id of a batch that was started and whose functions have not run."""
    return call("POST", "/v1/batches", {"requests": records(RECORDS)})[1]["batchId"]


@pytest.fixture
def execution():
    """Finds an execution by its name. It has the input, and `ends` sets its status."""

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
    """Run the steps of an execution and return the batch's summary."""
    summary = machine.run(execution.input, name=execution.name)
    execution.ends("SUCCEEDED")
    return summary


def resume(call, batch, execution, *, number=2):
    """Resume the batch and return the new execution."""
    status, body = call("POST", f"/v1/batches/{batch}/resume")
    assert (status, body["batchId"], body["status"]) == (202, batch, "running")
    return execution(f"{batch}--r{number}")


def check_done(call, batch, deployed):
    status, body = call("GET", f"/v1/batches/{batch}")
    assert (status, body["status"], body["progress"]["answered"]) == (200, "succeeded", RECORDS)
    calls = Counter(call.prompt for call in deployed.calls if call.status == 200)
    assert calls == {f"Question {number}?": 1 for number in range(RECORDS)}
    assert call("POST", f"/v1/batches/{batch}/resume")[0] == 409


@pytest.mark.parametrize("status", ["FAILED", "TIMED_OUT", "ABORTED"])
def test_a_batch_that_ended_before_its_plan_starts_again(call, batch, machine, execution, deployed, status):
    execution(batch).ends(status)
    shown = call("GET", f"/v1/batches/{batch}")[1]
    assert shown["status"] == {"FAILED": "failed", "TIMED_OUT": "timed_out", "ABORTED": "stopped"}[status]
    assert shown["progress"]["records"] is None

    run(machine, resume(call, batch, execution))

    check_done(call, batch, deployed)


def test_a_batch_whose_plan_stopped_while_it_wrote_starts_again(
    call, batch, machine, execution, deployed, monkeypatch
):
    first = execution(batch)
    machine.plan(first.input, name=batch)
    # The manifest is written last: a plan that stops leaves shards that no manifest lists.
    boto3.client("s3").delete_object(
        Bucket=os.environ["LLMMANAGER_BUCKET"], Key=f"batches/{batch}/manifest.json"
    )
    first.ends("FAILED")

    run(machine, resume(call, batch, execution))

    check_done(call, batch, deployed)


def test_a_batch_that_was_stopped_between_its_shards_runs_only_the_remaining_records(
    call, batch, machine, execution, deployed
):
    first, *_ = machine.plan(execution(batch).input, name=batch)
    machine.run_shard(first)
    answered = len(deployed.calls)
    assert call("POST", f"/v1/batches/{batch}/stop")[0] == 200
    shown = call("GET", f"/v1/batches/{batch}")[1]
    assert (shown["status"], shown["progress"]["answered"]) == ("stopped", answered)

    run(machine, resume(call, batch, execution))

    assert 0 < answered < RECORDS
    check_done(call, batch, deployed)


def test_a_batch_whose_last_step_stopped_is_collected_without_calls(
    call, batch, machine, execution, deployed
):
    first = execution(batch)
    for shard in machine.plan(first.input, name=batch):
        machine.run_shard(shard)
    first.ends("FAILED")
    assert call("GET", f"/v1/batches/{batch}")[1]["progress"]["answered"] == RECORDS
    calls = len(deployed.calls)

    run(machine, resume(call, batch, execution))

    assert len(deployed.calls) == calls
    check_done(call, batch, deployed)


def test_a_batch_that_failures_ended_early_is_resumed_with_the_records_that_were_not_run(
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

    # Failed records stay failed. Records that were not run are run.
    assert (again["answered"], again["failed"]) == (RECORDS - 1, 1)
    assert second.input["failureStrategy"] == "stopOnFirstFailure"
    calls = Counter(call.prompt for call in deployed.calls)
    assert calls == {f"Question {number}?": 1 for number in range(RECORDS)}


def test_a_batch_that_fails_repeatedly_is_resumed_each_time(call, batch, machine, execution, deployed):
    name = batch
    for number in range(2, 6):
        current = execution(name)
        shards = machine.plan(current.input, name=name)
        machine.run_shard(shards[(number - 2) % len(shards)])
        current.ends("FAILED")
        name = resume(call, batch, execution, number=number).name

    run(machine, execution(name))

    check_done(call, batch, deployed)
