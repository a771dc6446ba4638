"""The end of an execution stops its jobs, whatever is known about them."""

from __future__ import annotations

import json

import boto3
import pytest

from lambdas.batch import execution_ended
from lambdas.batch.managed import bedrock_jobs, open_attempt
from lambdas.batch.managed.job_files import attempts_of
from lambdas.batch.managed.job_stop import JobsNotStopped
from llmmanager.testing import Fault, JobFault


class Killed(BaseException):
    """Raised where the function stops."""


@pytest.fixture
def end(machine, deployed, context):
    """Delivers the event of the end of an execution."""
    boto3.client("events").create_event_bus(Name="bus-of-the-test")
    deployed.set_jobs(record_seconds=10, stop_seconds=5)

    def deliver(name="batch-1", status="ABORTED"):
        detail = {
            "executionArn": f"arn:aws:states:us-east-1:123456789012:execution:Batch:{name}",
            "name": name,
            "status": status,
            "input": json.dumps({"batchId": "batch-1"}),
        }
        execution_ended.handler({"detail": detail}, context)

    return deliver


def statuses(bedrock):
    return [job["status"] for job in bedrock.jobs]


@pytest.mark.parametrize("status", ["ABORTED", "FAILED", "TIMED_OUT"])
def test_the_jobs_of_an_execution_that_has_ended_are_stopped(machine, deployed, end, many, status):
    for item in machine.plan_jobs(many(64), jobs=2):
        machine.step(item)

    end(status=status)

    assert statuses(deployed) == ["Stopping", "Stopping"]


def test_a_job_of_a_function_that_was_killed_while_it_created_it_is_stopped(
    machine, deployed, end, many, monkeypatch
):
    def die(*_):
        raise Killed

    [item] = machine.plan_jobs(many(4))
    with monkeypatch.context() as patched:
        patched.setattr(bedrock_jobs.JobAttempt, "put_arn", die)
        with pytest.raises(Killed):
            machine.step(item)

    end()

    assert statuses(deployed) == ["Stopping"]


def test_a_function_that_creates_a_job_after_the_end_returns_the_stopped_one(
    machine, deployed, end, many, monkeypatch
):
    """The function has read that the batch runs, and the batch ends before its request."""
    create = open_attempt.create_job

    def end_then_create(*args):
        end()
        return create(*args)

    [item] = machine.plan_jobs(many(4))
    monkeypatch.setattr(open_attempt, "create_job", end_then_create)
    machine.step(item)

    assert statuses(deployed) == ["Stopped"]


def test_a_function_that_has_written_an_intent_after_the_end_creates_no_job(
    machine, deployed, end, many, monkeypatch
):
    [item] = machine.plan_jobs(many(4))
    put = bedrock_jobs.JobAttempt.put_intent

    def end_then_put(*args):
        end(status="SUCCEEDED")
        return put(*args)

    monkeypatch.setattr(execution_ended, "_publish_end", lambda *_: None)
    monkeypatch.setattr(bedrock_jobs.JobAttempt, "put_intent", end_then_put)
    machine.step(item)

    assert not deployed.jobs


def test_a_job_that_cannot_be_stopped_is_stopped_by_the_next_invocation(machine, deployed, end, many):
    for item in machine.plan_jobs(many(64), jobs=2):
        machine.step(item)
    deployed.add_fault(Fault(error="AccessDeniedException", operation="StopModelInvocationJob", count=1))

    with pytest.raises(JobsNotStopped, match=r"1 of 2 jobs were not stopped: .*AccessDeniedException"):
        end()
    end()

    assert statuses(deployed) == ["Stopping", "Stopping"]


def test_the_end_of_an_earlier_execution_leaves_the_jobs_of_a_later_one(machine, deployed, end, many):
    [item] = machine.plan_jobs(many(4), name="first")
    machine.step(item)
    end("first")
    machine.clock.now += 100
    [item] = machine.plan_jobs({**many(4), "batchId": "batch-1"}, name="second")
    item = machine.step(item)
    assert statuses(deployed)[-1] == "InProgress"

    end("first")

    assert statuses(deployed)[-1] == "InProgress"


def test_a_resumed_batch_imports_what_the_stopped_job_has_answered(machine, deployed, end, many):
    [item] = machine.plan_jobs({**many(8), "batchId": "batch-1"}, name="first")
    machine.step(item)
    machine.clock.now += 45
    end("first")

    [item] = machine.plan_jobs({**many(8), "batchId": "batch-1"}, name="second")
    machine.run_job(item)

    assert [(job["status"], job["totalRecordCount"]) for job in deployed.jobs] == [
        ("Stopped", 8),
        ("Completed", 3),
    ]
    assert machine.run_rest() == []
    assert machine.collect()["answered"] == 8


def test_a_batch_that_is_resumed_in_another_lane_stops_its_job(machine, deployed, end, many):
    [item] = machine.plan_jobs({**many(8), "batchId": "batch-1"}, name="first")
    machine.step(item)

    [item] = machine.plan_jobs({**many(8), "batchId": "batch-1"}, name="second", mayCreate=False)
    machine.run_job(item)

    assert statuses(deployed) == ["Stopped"]
    assert len(machine.run_rest()) == 1


def test_the_rest_stops_a_job_whose_steps_have_failed(machine, deployed, end, many):
    [item] = machine.plan_jobs(many(8))
    machine.step(item)

    machine.run_rest()

    assert statuses(deployed) == ["Stopping"]
    assert machine.collect()["answered"] == 8


def test_a_job_that_was_not_created_prevents_no_end(machine, deployed, end, many):
    deployed.add_job_fault(JobFault(outcome="quota_exceeded"))
    [item] = machine.plan_jobs(many(4))
    machine.step(item)

    end()

    assert not deployed.jobs
    assert [attempt.is_closed for attempt in attempts_of(machine.storage)] == [False]
