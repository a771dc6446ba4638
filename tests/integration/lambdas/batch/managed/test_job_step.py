"""A managed batch job from its creation to the import of its answers, and the records that it leaves."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import boto3
import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError

from lambdas.batch.managed import job_import, job_step
from lambdas.batch.managed.job_stop import stop_open_jobs
from lambdas.batch.s3_objects import ObjectMissing
from lambdas.usage.usage_counts import UsageCounts, utc_day
from lambdas.usage.usage_table import UsageTable
from llmmanager.testing import Fault, JobFault
from tests.deployed_storage import BUCKET, USAGE_TABLE

# Nova Lite on demand, in USD per token.
INPUT, OUTPUT = 0.06e-6, 0.24e-6
OUTPUT_FILE = "records.jsonl.out"


def on_demand_price(tokens):
    return tokens["inputTokens"] * INPUT + tokens["outputTokens"] * OUTPUT


class Killed(BaseException):
    """Raised where the function stops."""


def usage_rows():
    today = datetime.now(UTC)
    days = [utc_day(today + timedelta(days=number)) for number in (-1, 0, 1)]
    return UsageTable(boto3.client("dynamodb"), USAGE_TABLE).rows(days)


def output_key(machine):
    [key] = [key for key in machine.keys(f"batches/{machine.planned['batchId']}/jobs/") if OUTPUT_FILE in key]
    return key


@pytest.fixture
def calls(deployed):
    """Returns the Converse calls."""
    return lambda: [call for call in deployed.calls if call.operation == "Converse"]


@pytest.fixture
def change_output(machine, deployed):
    """Lets a job end, and replaces the lines of its output before it is imported."""

    def change(item, edit):
        deployed.set_jobs(start_seconds=1)
        item = machine.step(item)
        assert deployed.jobs[-1]["status"] == "Completed"
        key = output_key(machine)
        lines = edit(machine.read(key).splitlines(keepends=True))
        boto3.client("s3").put_object(Bucket=BUCKET, Key=key, Body=b"".join(lines))
        return item

    return change


@pytest.fixture
def slow(deployed):
    """Jobs take ten seconds for each record."""
    deployed.set_jobs(record_seconds=10)


def test_a_batch_runs_in_a_job_at_half_the_price(machine, deployed, calls, many):
    summary = machine.run_batch(many(120))

    [job] = deployed.jobs
    assert (job["status"], job["modelInvocationType"]) == ("Completed", "Converse")
    assert (summary["answered"], summary["failed"]) == (120, 0)
    assert not calls()
    assert summary["usage"] == job["billed"]
    price = on_demand_price(summary["usage"])
    assert summary["estimatedCostUsd"] == pytest.approx(price / 2)
    assert summary["byLane"]["managed"]["savedUsd"] == pytest.approx(price / 2)
    assert summary["jobs"] == {"number": 1, "statuses": {"Completed": 1}, "reasons": []}


def test_results_of_a_job_have_the_form_and_order_of_a_workers_results(machine, deployed, records):
    uri = machine.put(records(30))
    machine.run({"inputS3Uri": uri, "resultOrder": "input", "models": ["Nova Lite"]}, name="calls")
    by_worker = machine.lines("results.jsonl", batch="calls")

    machine.run_batch({"inputS3Uri": uri, "resultOrder": "input"}, name="job")

    by_job = machine.lines("results.jsonl", batch="job")
    assert [line["recordId"] for line in by_job] == [line["recordId"] for line in by_worker]
    assert by_job[0].keys() - by_worker[0].keys() == {"job", "savedUsd"}
    assert by_worker[0].keys() <= by_job[0].keys()
    assert by_job[0]["modelOutput"].keys() == by_worker[0]["modelOutput"].keys()
    assert "null" not in json.dumps(by_job[0]["modelOutput"])
    assert (by_job[0]["lane"], by_job[0]["attempts"]) == ("managed", 1)
    assert by_job[0]["job"] == deployed.jobs[0]["jobArn"].rpartition("/")[2]


def test_no_id_of_a_record_reaches_bedrock_and_the_caller_does(machine, deployed, records):
    machine.run_batch({"inputS3Uri": machine.put(records(3)), "team": "search"})

    [key] = [key for key in machine.keys("batches/batch-1/jobs/") if key.endswith("/records.jsonl")]
    lines = [json.loads(line) for line in machine.read(key).splitlines()]
    assert [line["recordId"] for line in lines] == ["00000-000001", "00000-000002", "00000-000003"]
    assert lines[0]["modelInput"] == {
        "messages": records(1)[0]["modelInput"]["messages"],
        "inferenceConfig": {"maxTokens": 50},
        "requestMetadata": {"caller": "unknown", "team": "search", "batchId": "batch-1"},
    }
    assert {line["team"] for line in machine.lines("results.jsonl")} == {"search"}


def test_records_that_need_more_than_a_job_offers_are_left_to_workers(machine, deployed, calls, records):
    batch = records(20)
    for record in batch[::2]:
        record["modelInput"]["promptCache"] = "auto"

    summary = machine.run_batch({"inputS3Uri": machine.put(batch)})

    assert deployed.jobs[0]["totalRecordCount"] == 10
    assert len(calls()) == 10
    assert {name: lane["answered"] for name, lane in summary["byLane"].items()} == {
        "managed": 10,
        "onDemand": 10,
    }


@pytest.mark.parametrize(
    ("fault", "by_job", "status"),
    [
        (JobFault(outcome="partial", processed=12), 12, "PartiallyCompleted"),
        (JobFault(outcome="failed", message="no capacity"), 0, "Failed"),
        (JobFault(failing=0.5), 10, "Completed"),
        (JobFault(failing=1.0), 0, "Completed"),
    ],
)
def test_records_that_a_job_does_not_answer_run_on_demand_once(
    machine, deployed, calls, many, fault, by_job, status
):
    deployed.add_job_fault(fault)

    summary = machine.run_batch(many(20))

    assert summary["answered"] == 20
    assert len(calls()) == 20 - by_job
    assert summary["jobs"]["statuses"] == {status: 1}
    assert summary["usage"]["inputTokens"] == deployed.billed.input_tokens


def test_what_a_job_leaves_runs_in_another_job_if_it_had_answers(machine, deployed, calls, many, monkeypatch):
    monkeypatch.setattr(job_step, "MAX_ATTEMPTS", 2)
    deployed.add_job_fault(JobFault(outcome="partial", processed=12, count=1))

    summary = machine.run_batch(many(20))

    assert [job["totalRecordCount"] for job in deployed.jobs] == [20, 8]
    assert not calls()
    assert summary["jobs"]["number"] == 2


def test_too_few_records_for_another_job_run_on_demand(machine, deployed, calls, many, monkeypatch):
    monkeypatch.setattr(job_step, "MAX_ATTEMPTS", 2)
    monkeypatch.setattr(job_step, "MIN_JOB_RECORDS", 9)
    deployed.add_job_fault(JobFault(outcome="partial", processed=12, count=1))

    machine.run_batch(many(20))

    assert len(deployed.jobs) == 1
    assert len(calls()) == 8


def test_lines_in_any_form_and_order_are_imported(machine, deployed, calls, many, change_output):
    """Unknown, repeated, failed, broken and truncated lines do not hide the others."""

    def edit(lines):
        unknown = lines[0].replace(b'"recordId":"', b'"recordId":"9')
        failed = json.loads(lines[1]) | {"modelOutput": None, "error": {"errorCode": 500}}
        odd = json.loads(lines[2])
        odd["modelOutput"]["output"] = {"message": {"content": "text"}}
        return [
            b"\n",
            json.dumps(failed).encode() + b"\n",
            *lines[3:10],
            b"[]\n",
            b'{"recordId": 5}\n',
            unknown,
            json.dumps(odd).encode() + b"\n",
            *lines[3:5],
            *lines[1:2],
            *lines[10:-1],
            lines[-1][: len(lines[-1]) // 2],
        ]

    [item] = machine.plan_jobs(many(20))
    item = machine.run_job(change_output(item, edit))
    machine.run_rest()
    summary = machine.collect()

    closed = machine.attempt("closed.json")
    assert closed["answered"] == 17
    assert (closed["unknownIds"], closed["duplicateIds"], closed["unreadableLines"]) == (1, 2, 4)
    assert closed["errors"] == {"500": 1}
    # The line of the first record was replaced, and those of two others cannot be read.
    assert len(calls()) == 3
    assert (summary["answered"], summary["failed"]) == (20, 0)


def test_an_import_continues_in_the_next_invocation(machine, deployed, many, change_output, monkeypatch):
    monkeypatch.setattr(job_import, "_LINES_PER_CHECK", 7)
    [item] = machine.plan_jobs(many(40))
    item = change_output(item, lambda lines: lines)

    steps = 0
    while not item["done"]:
        item = machine.step(item, seconds=0)
        steps += 1

    assert steps == 6
    summary = machine.collect()
    assert (summary["answered"], summary["attempts"]) == (40, 40)
    assert summary["usage"]["inputTokens"] == deployed.billed.input_tokens
    assert machine.attempt("closed.json")["usage"]["inputTokens"] == deployed.billed.input_tokens
    assert machine.run_rest() == []


@pytest.mark.parametrize("killed_at", ["created.json", "import.json", "closed.json", "complete.json"])
def test_a_function_that_is_killed_is_followed_by_one_that_repeats_nothing(
    machine, deployed, many, monkeypatch, killed_at
):
    """It dies after it has created the job, written the results, settled the cost, or closed the attempt."""
    call = BaseClient._make_api_call

    def call_or_die(client, operation, parameters):
        if operation == "PutObject" and parameters["Key"].endswith(killed_at):
            raise Killed
        return call(client, operation, parameters)

    [item] = machine.plan_jobs(many(8))
    with monkeypatch.context() as patched:
        patched.setattr(BaseClient, "_make_api_call", call_or_die)
        with pytest.raises(Killed):
            machine.step(item)

    machine.run_job(item)

    assert len(deployed.jobs) == 1
    assert sum(part.answered for part in machine.storage.parts()) == machine.collect()["answered"] == 8
    counts = sum((counts for _, counts in usage_rows()), UsageCounts())
    assert (counts.requests, counts.output_tokens) == (8, deployed.billed.output_tokens)


def test_an_output_that_appears_late_is_waited_for(machine, deployed, many, change_output):
    [item] = machine.plan_jobs(many(5))
    item = change_output(item, lambda lines: lines)
    key = output_key(machine)
    body = machine.read(key)
    boto3.client("s3").delete_object(Bucket=BUCKET, Key=key)

    for _ in range(3):
        item = machine.step(item)
        assert not item["done"]
    boto3.client("s3").put_object(Bucket=BUCKET, Key=key, Body=body)
    machine.run_job(item)

    assert machine.run_rest() == []
    assert machine.collect()["answered"] == 5


def test_an_output_that_never_appears_is_reported_and_its_records_run_on_demand(
    machine, deployed, calls, many, change_output
):
    [item] = machine.plan_jobs(many(5))
    item = change_output(item, lambda lines: lines)
    boto3.client("s3").delete_object(Bucket=BUCKET, Key=output_key(machine))

    machine.run_job(item)
    machine.run_rest()
    summary = machine.collect()

    assert len(calls()) == summary["answered"] == 5
    assert machine.attempt("closed.json")["recordsWithoutOutput"] == 5
    # They may be billed, and no total includes them.
    assert summary["attemptsWithUnknownUsage"] == 5
    assert summary["jobs"]["reasons"] == ["the job has no output"]


def test_an_invalid_answer_of_a_job_is_paid_for_and_asked_again_on_demand(
    machine, deployed, calls, many, texts
):
    texts += ["no"] * 4 + ["yes"] * 10
    rules = {"responseValidation": {"mustContain": ["yes"]}}

    summary = machine.run_batch({**many(10), **rules})

    assert (summary["answered"], len(calls())) == (10, 4)
    assert summary["usage"]["outputTokens"] == deployed.billed.output_tokens
    assert sorted(line["attempts"] for line in machine.lines("results.jsonl")) == [1] * 6 + [2] * 4


@pytest.mark.parametrize(
    ("error", "message"),
    [
        ("ValidationException", "the model does not support batch jobs"),
        ("AccessDeniedException", "not authorized to perform: iam:PassRole"),
    ],
)
def test_a_job_that_cannot_be_created_is_left_to_workers_at_once(machine, deployed, many, error, message):
    deployed.add_fault(Fault(error=error, message=message, operation="CreateModelInvocationJob"))
    [item] = machine.plan_jobs(many(4))

    assert machine.step(item)["done"]
    machine.run_rest()
    summary = machine.collect()

    assert summary["answered"] == 4
    assert summary["jobs"] == {
        "number": 1,
        "statuses": {"NotCreated": 1},
        "reasons": [f"{error}: {message}"],
    }


def test_a_job_waits_for_the_quota_of_jobs(machine, deployed, many, slow):
    deployed.set_jobs(max_open_jobs=1)
    first, second = machine.plan_jobs(many(64), jobs=2)
    first = machine.step(first)

    second = machine.step(second)
    assert (second["done"], len(deployed.jobs)) == (False, 1)
    machine.run_job(first)
    machine.run_job(second)

    assert len(deployed.jobs) == 2
    assert machine.run_rest() == []


def test_a_job_that_waits_for_quota_for_a_day_is_left_to_workers(machine, deployed, many):
    deployed.set_jobs(max_open_jobs=0)
    [item] = machine.plan_jobs(many(4))
    waits = []
    for hours in (0, 1, 23.9, 24.1):
        machine.clock.now = 1000 + hours * 3600
        item = machine.step(item)
        waits.append(item.get("waitSeconds"))

    assert waits == [5, 300, 300, None]
    machine.run_rest()
    assert machine.collect()["jobs"]["statuses"] == {"NotCreated": 1}


@pytest.fixture
def until_the_deadline(machine, many):
    """Plans a batch of 40 records and 300 s, of which the records need 200 s on demand. Returns its job."""
    [item] = machine.plan_jobs({**many(40), "deadlineSeconds": 300})
    lanes = machine.storage.lanes()
    lanes["records"]["managed"] = 40
    [estimate] = [estimate for estimate in lanes["estimates"] if estimate["lane"] == "onDemand"]
    estimate["estimatedSeconds"] = 200
    machine.storage.put_lanes(lanes)
    return item


def test_a_job_is_stopped_at_the_cut_off_and_the_rest_runs_on_demand(
    machine, deployed, calls, slow, until_the_deadline
):
    machine.run_job(until_the_deadline)
    machine.run_rest()
    summary = machine.collect()

    [job] = deployed.jobs
    assert job["status"] == "Stopped"
    # After 140 s, 14 records are answered, and the others need 130 s on demand. 30 s are for the stop.
    assert 12 <= job["processedRecordCount"] <= 15
    assert len(calls()) == 40 - job["processedRecordCount"]
    assert (summary["answered"], summary["status"]) == (40, "succeeded")
    assert summary["jobs"]["reasons"] == ["the rest of the records runs on demand, to meet the deadline"]


def test_the_rest_does_not_wait_for_a_job_that_cannot_be_stopped(machine, deployed, slow, until_the_deadline):
    denied = Fault(error="AccessDeniedException", operation="StopModelInvocationJob")
    item, start, refusals = until_the_deadline, machine.clock.now, 0
    deployed.add_fault(denied)
    while not item.get("done"):
        try:
            item = machine.step(item)
        except ClientError:
            # Step Functions repeats the step.
            refusals += 1
            machine.clock.now += 5

    assert refusals > 1
    assert machine.clock.now - start < 200
    assert len(machine.run_rest()) == 2
    summary = machine.collect()
    assert (summary["answered"], summary["attemptsWithUnknownUsage"]) == (40, 40)
    deployed.clear_faults()
    stop_open_jobs(machine.storage)
    assert deployed.jobs[0]["status"] == "Stopped"


def test_a_stopped_batch_stops_its_job_and_keeps_its_answers(machine, deployed, calls, many, slow):
    [item] = machine.plan_jobs(many(40))
    item = machine.step(item)
    machine.clock.now += 100
    reason = {"type": "StoppedOnFailure", "code": None, "message": "too many failures"}
    machine.storage.put_stop_reason("batch-1", reason)

    machine.run_job(item)
    machine.run_rest()
    summary = machine.collect()

    [job] = deployed.jobs
    assert (job["status"], not calls()) == ("Stopped", True)
    assert (summary["status"], summary["answered"]) == ("stopped", job["processedRecordCount"])
    assert summary["answered"] + summary["failed"] == 40


def test_a_batch_that_is_stopped_before_its_job_creates_none(machine, deployed, many):
    [item] = machine.plan_jobs(many(4))
    machine.storage.put_stop_reason("batch-1", {"type": "x", "code": None, "message": "x"})

    assert machine.step(item)["done"]

    assert not deployed.jobs
    with pytest.raises(ObjectMissing):
        machine.storage.read(machine.storage.key("jobs/00000/001/intent.json"))


def test_a_job_that_bedrock_does_not_know_is_left_to_workers(machine, deployed, many, slow):
    [item] = machine.plan_jobs(many(4))
    item = machine.step(item)
    deployed.reset()

    machine.run_job(item)
    machine.run_rest()

    assert machine.collect()["answered"] == 4
    assert machine.attempt("closed.json")["status"] == "Unknown"
