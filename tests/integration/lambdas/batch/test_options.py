"""The options of a batch."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime

import boto3
import pytest

from lambdas.batch.options import Options
from lambdas.batch.stop_signal import StopSignal
from lambdas.batch.storage import BatchStorage, Plan
from llmmanager.testing import Answer, Fault
from tests.waiting import PATIENCE_SECONDS

# With one target only, a rejected call is a failed record.
ONE_TARGET = {"models": ["Nova Lite"], "regions": ["us-east-1"]}


def ids(lines):
    return [line["recordId"] for line in lines]


def unnamed(record):
    return {"modelInput": record["modelInput"]}


def test_a_prefix_means_all_files_under_it_in_the_order_of_their_keys(machine, deployed, records):
    batch = records(5)
    machine.put(batch[2:4], key="in/b.jsonl")
    machine.put(batch[:2], key="in/a/first.jsonl")
    machine.put(batch[4:], key="in/c.jsonl")
    machine.put([b"no records\n"], key="in/notes.txt")
    machine.put([b"no records\n"], key="inside.jsonl")

    summary = machine.run({"prefix": "s3://batches-of-the-test/in/", "resultOrder": "input"})

    assert (summary["answered"], summary["rejected"]) == (5, 0)
    assert ids(machine.lines("results.jsonl")) == ids(batch)


def test_a_rejected_line_under_a_prefix_has_its_file_and_number(machine, deployed, records):
    one, two, three = records(3)
    machine.put([one, b"{not json}\n"], key="in/a.jsonl")
    machine.put([b"\n", one, unnamed(two)], key="in/b.jsonl")
    machine.put([b"\n", b"\n", unnamed(three)], key="in/c.jsonl")

    machine.run({"prefix": "s3://batches-of-the-test/in/"})

    assert [(line["file"], line["line"]) for line in machine.lines("rejected.jsonl")] == [
        ("s3://batches-of-the-test/in/a.jsonl", 2),
        ("s3://batches-of-the-test/in/b.jsonl", 2),
    ]
    assert sorted(ids(machine.lines("results.jsonl"))) == [
        "b.jsonl-line-3",
        "c.jsonl-line-3",
        one["recordId"],
    ]


def test_a_prefix_in_another_bucket_is_read(machine, deployed, records):
    boto3.client("s3").create_bucket(Bucket="bucket-of-another-team")
    machine.put(records(2), key="in/a.jsonl", bucket="bucket-of-another-team")

    assert machine.run({"prefix": "s3://bucket-of-another-team/in/"})["answered"] == 2


def test_results_and_failures_have_the_order_of_the_input(machine, deployed, records):
    deployed.set_latency((0.0, 0.02))
    deployed.add_fault(Fault(error="ValidationException", message="rejected", share=0.3))
    batch = records(80)

    machine.run({"inputS3Uri": machine.put(batch), "resultOrder": "input"})

    for name in ("results.jsonl", "failed.jsonl"):
        found = ids(machine.lines(name))
        assert found
        assert found == [name for name in ids(batch) if name in set(found)]


def test_records_with_a_lower_priority_number_run_first(machine, deployed, records, monkeypatch):
    monkeypatch.setenv("LLMMANAGER_WORKER_CONCURRENCY", "1")
    batch = records(20)
    for number, record in enumerate(batch):
        record["modelInput"]["priority"] = 20 - number

    machine.run({"requests": batch, "regions": ["us-east-1"], "models": ["Nova Lite"]})

    numbers = [int(call.prompt.strip("Question ?")) for call in deployed.calls]
    assert numbers == list(range(19, -1, -1))


@pytest.mark.parametrize(
    ("strategy", "second"),
    [("region_first", ("nova-lite", "us-west-2")), ("model_first", ("nova-micro", "us-east-1"))],
)
def test_the_retry_strategy_decides_the_next_target(machine, deployed, records, strategy, second):
    deployed.add_fault(Fault(error="ServiceUnavailableException", count=1))
    data = {"requests": records(1), "regions": ["us-east-1", "us-west-2"], "retryStrategy": strategy}

    machine.run(data)

    _, call = deployed.calls
    assert second[0] in call.model_id
    assert call.region == second[1]


def test_an_answer_that_breaks_a_rule_is_requested_again_and_fails_in_the_end(machine, deployed, records):
    rules = {"mustContain": ["what no answer says"], "retries": 1}

    summary = machine.run({"requests": records(2), "responseValidation": rules, **ONE_TARGET})

    assert (summary["answered"], summary["failed"]) == (0, 2)
    assert len(deployed.calls) == 4
    assert "mustContain" in json.dumps(machine.lines("failed.jsonl")[0])


CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


def test_answers_with_a_schema_have_their_value_in_the_results(machine, deployed, records):
    batch = records(3)
    batch[1]["modelInput"]["toolConfig"] = {
        "tools": [{"toolSpec": {"name": "look", "inputSchema": {"json": {"type": "object"}}}}],
        "toolChoice": {"any": {}},
    }
    summary = machine.run({"requests": batch, "outputSchema": CITY, **ONE_TARGET})

    assert (summary["answered"], summary["rejected"]) == (2, 1)
    assert [line["parsed"].keys() for line in machine.lines("results.jsonl")] == [{"city"}, {"city"}]
    (rejected,) = machine.lines("rejected.jsonl")
    assert rejected["reasons"] == ['toolConfig.toolChoice: must be "auto" with outputSchema (got "any")']


def test_a_record_without_an_answer_for_the_schema_fails_and_can_be_run_again(
    machine, deployed, records, answer_with
):
    answer_with(lambda call: Answer(({"text": '{"city": "Par'},), "max_tokens"))

    summary = machine.run({"requests": records(1), "outputSchema": CITY, **ONE_TARGET})

    assert (summary["answered"], summary["failed"], len(deployed.calls)) == (0, 1, 1)
    (line,) = machine.lines("failed.jsonl")
    assert line["error"]["type"] == "TruncatedAnswerError"
    # The schema belongs to the batch, so the line is a valid record of another one.
    assert line["modelInput"] == records(1)[0]["modelInput"]
    assert "parsed" not in line


def test_answers_that_follow_the_rules_are_accepted(machine, deployed, records):
    summary = machine.run({"requests": records(2), "responseValidation": {"minLength": 1}})

    assert (summary["answered"], summary["attempts"]) == (2, 2)


@pytest.fixture
def answers_follow_the_failure(answer_with, monkeypatch):
    """Let FakeBedrock answer only after the worker has counted a failure."""
    counted, add_outcome = threading.Event(), StopSignal.add_outcome

    def add_and_signal(self, *, success):
        add_outcome(self, success=success)
        if not success:
            counted.set()

    def wait_for_the_failure(_):
        assert counted.wait(PATIENCE_SECONDS)

    monkeypatch.setattr(StopSignal, "add_outcome", add_and_signal)
    answer_with(wait_for_the_failure)


def test_the_first_failure_ends_the_batch_with_stop_on_first_failure(
    machine, deployed, records, answers_follow_the_failure
):
    deployed.add_fault(Fault(error="ValidationException", message="rejected", count=1))

    data = {"inputS3Uri": machine.put(records(100)), "failureStrategy": "stopOnFirstFailure", **ONE_TARGET}

    summary = machine.run(data)

    failed = machine.lines("failed.jsonl")
    assert summary["status"] == "stopped"
    assert "failureStrategy" in summary["reason"]
    assert len(deployed.calls) == 8
    assert summary["answered"] + summary["failed"] == 100
    kinds = [line["error"]["type"] for line in failed]
    assert kinds.count("StoppedOnFailure") == 100 - len(deployed.calls)


def test_one_failure_more_than_the_threshold_ends_the_batch(machine, deployed, records):
    data = {"requests": records(20), "failureStrategy": {"stopOnThreshold": 0.2}, **ONE_TARGET}

    deployed.add_fault(Fault(error="ValidationException", message="rejected", count=4))
    tolerated = machine.run(data, name="tolerated")
    deployed.add_fault(Fault(error="ValidationException", message="rejected", count=20))
    ended = machine.run(data, name="ended")

    assert (tolerated["status"], tolerated["answered"], tolerated["failed"]) == ("succeeded", 16, 4)
    assert (ended["status"], ended["answered"], ended["failed"]) == ("stopped", 0, 20)


def test_a_share_that_is_reached_exactly_is_not_exceeded(machine):
    storage = BatchStorage("batches-of-the-test", "batch-1")
    storage.put_manifest([], Plan(records=100, rejected=0, started_at=datetime.now(UTC)))

    for failures in range(101):
        options = Options(run=f"run-{failures}", max_failed_share=failures / 100)
        with StopSignal(storage, options, run=options.run, shard=0) as signal:
            for _ in range(failures):
                signal.add_outcome(success=False)
            assert not signal.is_set(), failures
            signal.add_outcome(success=False)
            assert signal.is_set(), failures


def test_failures_count_for_the_whole_batch_and_not_for_a_shard(machine, deployed, records):
    # 32 + 64 records, 20 failures: 63 % of the first shard, 21 % of all.
    data = {"inputS3Uri": machine.put(records(96)), "regions": ["us-east-1"], "models": ["Nova Lite"]}

    for share in (0.22, 0.2):
        deployed.reset()
        deployed.add_fault(Fault(error="ValidationException", message="rejected", count=20))
        summary = machine.run(
            {**data, "failureStrategy": {"stopOnThreshold": share}}, name=f"share-{share * 100:.0f}"
        )

        assert summary["status"] == ("succeeded" if share > 20 / 96 else "stopped")
    assert "of its 96 records had failed" in summary["reason"]


def test_failures_count_over_all_invocations_of_a_shards_worker(machine, deployed, records):
    (item,) = machine.plan({"requests": records(10), "failureStrategy": {"stopOnThreshold": 0.4}})
    storage = BatchStorage(item["bucket"], item["batchId"])

    stopped = []
    for _ in range(2):
        with StopSignal(storage, storage.options(), run=item["run"], shard=0) as signal:
            for success in (False, True, False, False):
                signal.add_outcome(success=success)
            stopped.append(signal.is_set())

    assert stopped == [False, True]


def test_a_worker_reads_the_failures_of_other_shards(machine, deployed, records, monkeypatch):
    data = {"inputS3Uri": machine.put(records(96)), "failureStrategy": {"stopOnThreshold": 0.3}, **ONE_TARGET}
    first, second = machine.plan(data)
    deployed.add_fault(Fault(error="ValidationException", message="rejected", count=29))
    machine.run_shard(first)

    machine.run_shard(second)

    assert len(deployed.calls) == 32


@pytest.mark.parametrize(("priority", "at_once"), [(0, 8), (1, 4), (2, 2), (3, 1), (9, 1)])
def test_each_higher_priority_number_halves_the_parallel_calls(
    machine, deployed, records, answer_together, priority, at_once
):
    answer_together(at_once)

    machine.run({"requests": records(16), "priority": priority, **ONE_TARGET})

    assert len(deployed.calls) == 16
    assert deployed.peak_in_flight == at_once


def test_a_batch_that_failures_ended_continues_when_it_is_started_again(machine, deployed, records):
    data = {
        "batchId": "batch-1",
        "inputS3Uri": machine.put(records(60)),
        "failureStrategy": "stopOnFirstFailure",
        **ONE_TARGET,
    }
    deployed.add_fault(Fault(error="ValidationException", message="rejected", count=1))
    machine.run(data, name="first")
    first_calls = len(deployed.calls)

    summary = machine.run(data, name="second")

    assert (summary["status"], summary["answered"], summary["failed"]) == ("succeeded", 59, 1)
    assert first_calls < 60 == len(deployed.calls)


def test_after_the_deadline_no_record_starts_and_the_others_fail(machine, deployed, records):
    deployed.set_latency(0.3)
    data = {"inputS3Uri": machine.put(records(200)), "batchId": "batch-1", "deadlineSeconds": 1}

    summary = machine.run(data, name="first")

    failed = machine.lines("failed.jsonl")
    assert summary["status"] == "stopped"
    assert summary["answered"] == len(deployed.calls) < 200
    assert {line["error"]["type"] for line in failed} == {"DeadlinePassed"}
    assert len(failed) == 200 - summary["answered"]

    deployed.set_latency(0)
    again = machine.run({**data, "deadlineSeconds": 900}, name="second")
    assert (again["status"], again["answered"]) == ("succeeded", 200)
    assert len(deployed.calls) == 200
