"""What `GET /v1/batches/{id}` reports of a batch that runs: its rate, its end, its waits for quota."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import boto3
import pytest

from lambdas.batch import worker
from lambdas.batch.progress import progress_of, read_progress
from lambdas.batch.storage import BatchStorage, Plan, ResultPart
from lambdas.batch.waiting_shards import put_wait, read_waiting_shards
from lambdas.http_api.handler import handler
from llmmanager.testing import Fault
from tests.deployed_storage import STATE_MACHINE

NOW = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
PLAN = Plan(records=1_010, rejected=10, started_at=NOW - timedelta(hours=5))
ONE_TARGET = {"models": ["Nova Lite"], "regions": ["us-east-1"]}
DAILY = Fault(
    error="ThrottlingException", message="Too many tokens per day, please wait before trying again."
)


def part(minutes_ago, *, answered, failed=0, from_job=False):
    return ResultPart("key", 0, 1, answered, failed, NOW - timedelta(minutes=minutes_ago), from_job)


def progress(*parts, minutes=300, in_jobs=0):
    """The progress of a batch whose run began so many minutes ago."""
    return progress_of(PLAN, parts, since=NOW - timedelta(minutes=minutes), now=NOW, in_jobs=in_jobs)


def test_the_rate_is_that_of_the_last_ten_minutes():
    found = progress(part(200, answered=500), part(9, answered=80, failed=5), part(1, answered=15)).to_json(
        NOW
    )

    assert (found["answered"], found["failed"], found["answersPerMinute"]) == (595, 5, 10.0)
    assert found["estimatedEndAt"] == (NOW + timedelta(minutes=40)).isoformat()


def test_the_rate_of_a_young_run_is_that_since_its_start():
    found = progress(part(200, answered=500), part(1, answered=100), minutes=2).to_json(NOW)

    assert found["answersPerMinute"] == 50.0


@pytest.mark.parametrize(("parts", "end"), [([], None), ([part(200, answered=1_000)], NOW.isoformat())])
def test_without_a_rate_the_end_is_known_only_when_nothing_is_left(parts, end):
    found = progress(*parts).to_json(NOW)

    assert (found["answersPerMinute"], found["estimatedEndAt"]) == (0, end)


def test_records_in_managed_batch_jobs_and_their_results_do_not_count_as_those_of_workers():
    found = progress(part(5, answered=100), part(1, answered=500, from_job=True), in_jobs=300)

    assert (found.answered, found.pending) == (600, 100)
    assert found.seconds_left == pytest.approx(600)
    assert found.to_json(NOW)["estimatedEndAt"] is None
    assert found.to_json(NOW)["inManagedJobs"] == 300


def test_attempts_at_jobs_count_from_their_intent_until_they_are_closed(machine):
    storage = BatchStorage("batches-of-the-test", "batch-1")
    storage.put(storage.key("jobs/00000/001/intent.json"), b'{"records": 700}')
    storage.put(storage.key("jobs/00000/001/output/abc/records.jsonl.out"), b"")
    storage.put(storage.key("jobs/00001/001/intent.json"), b'{"records": 200}')
    storage.put(storage.key("jobs/00001/001/closed.json"), b"{}")
    storage.put(storage.key("jobs/00001/002/intent.json"), b'{"records": 150}')
    number = storage.add_part(0, [b"{}"], number=1, answered=9, failed=1, from_job=True)
    plan = Plan(1_000, 0, NOW)

    found = read_progress(storage, plan, since=NOW, now=NOW)

    assert (number, found.in_jobs, found.answered, found.failed) == (1, 850, 9, 1)
    assert [part.from_job for part in storage.parts()] == [True]


@pytest.fixture
def get(proxy_event, context):
    def send(batch_id):
        return json.loads(handler(proxy_event("GET", f"/v1/batches/{batch_id}"), context)["body"])

    return send


def test_a_batch_that_waits_for_quota_says_so(machine, deployed, records, get):
    start = {"batchId": "batch-1", "requests": records(40), **ONE_TARGET}
    boto3.client("stepfunctions").start_execution(
        stateMachineArn=STATE_MACHINE, name="batch-1", input=json.dumps(start)
    )
    first, second = machine.plan(start)
    assert get("batch-1")["progress"]["waitingForQuota"] is None
    deployed.add_fault(DAILY)

    outcome = worker.handler(first, machine.context())
    worker.handler(second, machine.context())

    found = get("batch-1")["progress"]
    assert (found["records"], found["answered"], found["answersPerMinute"]) == (40, 0, 0)
    assert (found["waitingForQuota"]["shards"], found["waitingForQuota"]["quota"]) == (2, "per_day")
    assert found["waitingForQuota"]["nextAttemptAt"] <= outcome["quotaWait"]["until"]


def test_a_wait_is_over_when_its_time_has_passed(machine, deployed):
    storage = BatchStorage("batches-of-the-test", "batch-1")
    wait = {"shortage": "per_minute", "since": NOW.isoformat()}
    for shard, minutes in ((0, -1), (1, 2), (2, 1), (1, 3)):
        put_wait(storage, "run", shard=shard, wait=wait, until=NOW + timedelta(minutes=minutes))

    assert read_waiting_shards(storage, "run", now=NOW).to_json() == {
        "shards": 2,
        "quota": "per_minute",
        "since": NOW.isoformat(),
        "nextAttemptAt": (NOW + timedelta(minutes=1)).isoformat(),
    }
    assert read_waiting_shards(storage, "run", now=NOW + timedelta(minutes=5)) is None
    assert read_waiting_shards(storage, "another-run", now=NOW) is None
