"""Services that fail while a batch runs: every record is still answered, and in the results once."""

from __future__ import annotations

from collections import Counter

import pytest

from lambdas.batch.storage import BatchStorage
from llmmanager.testing import Fault


class Killed(BaseException):
    """Not an Exception: nothing in a function gets to see its end coming."""


def assert_all_answered(machine, summary, records):
    """Nothing lost and nothing answered twice in what the caller sees."""
    assert (summary["answered"], summary["failed"], summary["rejected"]) == (len(records), 0, 0)
    found = Counter(line["recordId"] for line in machine.lines("results.jsonl"))
    assert found == Counter(record["recordId"] for record in records)
    assert machine.lines("failed.jsonl") == []


def test_one_region_down_for_the_whole_run(machine, bedrock, put, records):
    bedrock.add_fault(Fault(region="us-west-2", error="ServiceUnavailableException"))
    batch = records(200)

    summary = machine.run({"inputS3Uri": put(batch)})

    assert_all_answered(machine, summary, batch)
    assert "us-west-2" not in summary["byRegion"]


def test_a_region_that_drops_every_connection(machine, bedrock, put, records):
    bedrock.add_fault(Fault(region="us-east-1", reset=True))
    batch = records(60)

    summary = machine.run({"inputS3Uri": put(batch)})

    assert_all_answered(machine, summary, batch)


def test_every_region_throttling_half_of_the_time(machine, bedrock, put, records, monkeypatch):
    # The quota gate waits for windows, which take a minute with the default.
    monkeypatch.setenv("LLMMANAGER_QUOTA_WINDOW_SECONDS", "1")
    bedrock.add_fault(Fault(error="ThrottlingException", share=0.5))
    batch = records(100)

    summary = machine.run({"inputS3Uri": put(batch)})

    assert_all_answered(machine, summary, batch)


def test_dynamodb_down_for_the_whole_run(machine, aws, put, records):
    aws.inject_fault("dynamodb")
    batch = records(40)

    summary = machine.run({"inputS3Uri": put(batch)})

    assert_all_answered(machine, summary, batch)
    assert aws.failed["dynamodb"] > 0


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "input/file.jsonl", 503),
        ("PUT", "rejected.jsonl", 500),
        ("PUT", "shards/", 503),
        ("PUT", "manifest.json", 500),
        ("GET", "shards/", 503),
        ("PUT", "results/", 500),
        ("GET", "list-type", 503),
        ("GET", "results/", 500),
        ("PUT", "results.jsonl", 503),
        ("PUT", "summary.json", 500),
    ],
)
def test_s3_failing_once(machine, bedrock, aws, put, records, method, path, status):
    batch = records(30)
    uri = put(batch)
    aws.inject_fault("s3", method=method, path=path, status=status, count=1)

    summary = machine.run({"inputS3Uri": uri})

    assert aws.failed["s3"] == 1
    assert_all_answered(machine, summary, batch)
    assert len(bedrock.calls) == 30


def test_s3_failing_for_as_long_as_a_worker_retries(machine, aws, bedrock, put, records):
    batch = records(20)
    (item,) = machine.plan({"inputS3Uri": put(batch), "regions": ["us-east-1"]})
    # Four attempts of the SDK, then the part waits for the end of the shard.
    aws.inject_fault("s3", method="PUT", path="results/", count=4)

    machine.run_shard(item)

    assert_all_answered(machine, machine.collect(), batch)


def test_s3_failing_while_a_batch_is_ended_costs_no_answer_that_is_under_way(
    machine, aws, bedrock, put, records
):
    bedrock.set_latency(0.3)
    bedrock.add_fault(Fault(error="ValidationException", message="rejected", count=1))
    data = {"inputS3Uri": put(records(20)), "models": ["Nova Lite"], "regions": ["us-east-1"]}
    (item,) = machine.plan({**data, "failureStrategy": "stopOnFirstFailure"})
    aws.inject_fault("s3", path="/ended/")

    machine.run_shard(item)
    aws.recover()
    summary = machine.collect()

    assert summary["answered"] == len(bedrock.calls) - 1 < 19
    assert summary["answered"] + summary["failed"] == 20


@pytest.mark.parametrize("killed_at", ["put", "put_manifest"])
def test_a_plan_killed_on_its_way(machine, bedrock, put, records, monkeypatch, killed_at):
    batch = records(100)
    uri = put(batch)
    with monkeypatch.context() as patched:
        patched.setattr(BatchStorage, killed_at, _dies_at_call(2 if killed_at == "put" else 1, killed_at))
        with pytest.raises(Killed):
            machine.plan({"inputS3Uri": uri})

    summary = machine.run({"inputS3Uri": uri})

    assert_all_answered(machine, summary, batch)
    assert len(bedrock.calls) == 100


@pytest.mark.parametrize("killed_at", ["parts", "put_summary"])
def test_a_collect_killed_on_its_way(machine, bedrock, put, records, monkeypatch, killed_at):
    batch = records(100)
    for item in machine.plan({"inputS3Uri": put(batch)}):
        machine.run_shard(item)
    with monkeypatch.context() as patched:
        patched.setattr(BatchStorage, killed_at, _dies_at_call(2 if killed_at == "parts" else 1, killed_at))
        with pytest.raises(Killed):
            machine.collect()

    assert_all_answered(machine, machine.collect(), batch)


def _dies_at_call(number, name):
    original = getattr(BatchStorage, name)
    calls = []

    def dies(self, *args, **kwargs):
        calls.append(name)
        if len(calls) == number:
            raise Killed
        return original(self, *args, **kwargs)

    return dies


def test_a_batch_stopped_in_the_middle_and_started_again_pays_for_no_answer_twice(
    machine, bedrock, put, records
):
    batch = records(100)
    data = {"batchId": "stopped", "inputS3Uri": put(batch)}
    *some, _ = machine.plan(data)
    for item in some:
        machine.run_shard(item)

    summary = machine.run(data, name="another-execution")

    assert (summary["batchId"], summary["answered"]) == ("stopped", 100)
    found = Counter(line["recordId"] for line in machine.lines("results.jsonl", batch="stopped"))
    assert found == Counter(record["recordId"] for record in batch)
    assert len(bedrock.calls) == 100
