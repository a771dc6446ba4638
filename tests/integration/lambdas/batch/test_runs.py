"""The executions of a batch: they are found by the batch id, and run one at a time."""

from __future__ import annotations

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from lambdas.batch import execution_ended
from lambdas.batch.batch_input import InvalidBatch
from lambdas.batch.runs import BatchIsRunning, Run, claim, latest_run
from lambdas.batch.storage import BatchStorage
from lambdas.http_api.handler import handler
from lambdas.shared import clients
from tests.integration.lambdas.batch.executions import Execution

RECORDS = 40


@pytest.fixture
def call(deployed: Any, proxy_event: Any, context: Any) -> Any:
    """Sends a request and returns status and body."""

    def send(method: str, path: str, query: Any = None) -> tuple[int, Any]:
        event = {**proxy_event(method, path), "queryStringParameters": query}
        answer = handler(event, context)
        return answer["statusCode"], json.loads(answer["body"])

    return send


@pytest.mark.parametrize("planned", [True, False])
def test_a_batch_is_found_stopped_and_resumed_by_its_id_with_any_execution_name(
    call, machine, records, planned
):
    uri = machine.put(records(RECORDS))
    first = Execution("job", {"inputS3Uri": uri})
    if planned:
        first.plan(machine)
    assert call("POST", "/v1/batches/job/stop")[0] == 200
    again = Execution("job-again", {"inputS3Uri": uri, "batchId": "job"})
    if planned:
        again.plan(machine)

    assert call("GET", "/v1/batches/job")[1]["status"] == "running"
    assert call("POST", "/v1/batches/job/resume")[0] == 409
    assert call("POST", "/v1/batches/job/stop") == (
        200,
        {"batchId": "job", "status": "stopped", "links": {"self": "/v1/batches/job"}},
    )
    assert again.status == "ABORTED"
    assert call("GET", "/v1/batches/job")[1]["status"] == "stopped"
    assert call("POST", "/v1/batches/job/resume")[0] == 202
    resumed = Execution("job--r3" if planned else "job--r2")
    assert resumed.status == "RUNNING"
    assert json.loads(resumed.described["input"]) == {"inputS3Uri": uri, "batchId": "job"}
    assert call("GET", "/v1/batches/job")[1]["status"] == "running"


@pytest.mark.parametrize("planned", [True, False])
def test_a_batch_is_found_if_no_execution_has_its_id_as_name(call, machine, records, planned):
    only = Execution("run-of-monday", {"inputS3Uri": machine.put(records(2)), "batchId": "nightly"})
    if planned:
        only.plan(machine)

    assert call("GET", "/v1/batches/nightly")[1]["status"] == "running"
    assert call("GET", "/v1/batches/run-of-monday")[0] == 404
    assert call("POST", "/v1/batches/nightly/stop")[0] == 200
    assert call("GET", "/v1/batches/nightly")[1]["status"] == "stopped"
    assert call("POST", "/v1/batches/nightly/resume")[0] == 202


def test_a_batch_is_listed_once_with_its_id_with_any_execution_name(call, machine, records):
    uri = machine.put(records(2))
    Execution("job", {"inputS3Uri": uri}).plan(machine)
    call("POST", "/v1/batches/job/stop")
    Execution("job-again", {"inputS3Uri": uri, "batchId": "job"}).plan(machine)

    for limit in ("1", "10"):
        listed: list[Any] = []
        query: dict[str, str] | None = {"limit": limit}
        while query is not None:
            page = call("GET", "/v1/batches", query)[1]
            listed += page["batches"]
            query = {"limit": limit, "nextToken": page["nextToken"]} if "nextToken" in page else None
        assert [(entry["batchId"], entry["status"]) for entry in listed] == [("job", "running")]


def test_a_batch_id_like_the_name_of_a_resumed_execution_is_listed_unchanged(call, machine, records):
    uri = machine.put(records(2))
    Execution("report--r2", {"inputS3Uri": uri})
    Execution("report--r7", {"inputS3Uri": uri}).plan(machine)

    listed = call("GET", "/v1/batches")[1]["batches"]

    assert {entry["batchId"] for entry in listed} == {"report--r2", "report--r7"}
    for entry in listed:
        assert call("GET", entry["links"]["self"])[1]["status"] == "running"
    assert call("GET", "/v1/batches/report")[0] == 404


def test_one_execution_at_a_time_runs_a_batch_and_no_answer_is_paid_twice(deployed, machine, records):
    uri = machine.put(records(RECORDS))
    first, second = (
        Execution("job", {"inputS3Uri": uri}),
        Execution("two", {"inputS3Uri": uri, "batchId": "job"}),
    )
    shards = first.plan(machine)

    with pytest.raises(
        InvalidBatch, match="batchId: the execution job is running job; stop it first, or wait"
    ):
        second.plan(machine)

    for shard in shards:
        machine.run_shard(shard)
    assert machine.collect()["answered"] == RECORDS
    first.ends("SUCCEEDED")
    # Now it may: there is nothing left to run.
    third = Execution("three", {"inputS3Uri": uri, "batchId": "job"})
    for shard in third.plan(machine):
        machine.run_shard(shard)
    calls_by_prompt = Counter(call.prompt for call in deployed.calls)
    assert calls_by_prompt == {f"Question {number}?": 1 for number in range(RECORDS)}


def test_a_running_batch_of_an_earlier_version_is_respected_without_a_claim(machine, records):
    uri = machine.put(records(2))
    Execution("job", {"inputS3Uri": uri})

    with pytest.raises(InvalidBatch, match="the execution job is running"):
        Execution("two", {"inputS3Uri": uri, "batchId": "job"}).plan(machine)


def test_a_repeated_plan_keeps_the_claim_of_its_execution(machine, records):
    first = Execution("job", {"inputS3Uri": machine.put(records(2))})

    assert first.plan(machine) == first.plan(machine)
    assert latest_run(BatchStorage("batches-of-the-test", "job")) == (1, Run(1, "job"))


def test_of_simultaneous_claims_one_succeeds(deployed):
    storage = BatchStorage("batches-of-the-test", "job")
    names = [f"run-{number}" for number in range(8)]

    def try_to_claim(name: str) -> str | None:
        try:
            claim(storage, name, is_running=lambda other: other in names)
        except BatchIsRunning as error:
            return error.execution
        return None

    with ThreadPoolExecutor(len(names)) as pool:
        rejected_for = list(pool.map(try_to_claim, names))

    count, run = latest_run(storage)
    assert (count, rejected_for.count(None)) == (1, 1)
    assert {other for other in rejected_for if other is not None} == {run.execution if run else ""}


def test_a_start_with_another_input_does_not_change_the_input_of_a_resume(call, machine, records):
    uri = machine.put(records(3))
    first = Execution("job", {"inputS3Uri": uri})
    first.plan(machine)
    first.ends("ABORTED")
    other = Execution("other", {"inputS3Uri": machine.put(records(2), key="in/b.jsonl"), "batchId": "job"})
    with pytest.raises(InvalidBatch, match="has an earlier plan with another input"):
        other.plan(machine)
    other.ends("FAILED")

    assert call("GET", "/v1/batches/job")[1]["status"] == "stopped"
    assert call("POST", "/v1/batches/job/resume")[0] == 202
    assert json.loads(Execution("job--r3").described["input"])["inputS3Uri"] == uri


def test_a_rejected_batch_can_be_resumed_when_its_file_exists(call, machine, records):
    data = {"inputS3Uri": "s3://batches-of-the-test/in/late.jsonl", "batchId": "late"}
    first = Execution("first", data)
    with pytest.raises(InvalidBatch, match="does not exist"):
        first.plan(machine)
    first.ends("FAILED")
    assert call("GET", "/v1/batches/late")[1]["status"] == "failed"

    machine.put(records(2), key="in/late.jsonl")
    assert call("POST", "/v1/batches/late/resume")[0] == 202

    assert len(Execution("late--r2").plan(machine)) == 1
    assert call("GET", "/v1/batches/late")[1]["progress"]["records"] == 2


def test_resuming_skips_execution_names_that_are_in_use(call, machine, records):
    uri = machine.put(records(2))
    name = "b" * 80
    first = Execution(name, {"inputS3Uri": uri})
    first.plan(machine)
    first.ends("TIMED_OUT")
    Execution(f"{'b' * 76}--r2", {"inputS3Uri": uri, "batchId": "another"})

    assert call("POST", f"/v1/batches/{name}/resume")[0] == 202

    assert Execution(f"{'b' * 76}--r3").status == "RUNNING"
    assert call("GET", f"/v1/batches/{name}")[1]["status"] == "running"


def test_a_batch_that_waits_long_for_its_plan_is_found(call, machine, records):
    waiting = Execution("run-of-monday", {"inputS3Uri": machine.put(records(2)), "batchId": "nightly"})
    waiting.is_older_by(timedelta(hours=2))

    assert call("GET", "/v1/batches/nightly")[1]["status"] == "running"
    assert call("POST", "/v1/batches/nightly/stop")[0] == 200
    assert waiting.status == "ABORTED"


def test_executions_that_run_for_long_are_not_described_for_another_batch(
    call, machine, records, monkeypatch
):
    uri = machine.put(records(2))
    for number in range(5):
        Execution(f"long-{number}", {"inputS3Uri": uri}).is_older_by(timedelta(hours=2))
    ended = Execution("job", {"inputS3Uri": uri})
    ended.plan(machine)
    ended.ends("FAILED")
    looks: list[str] = []
    real = clients.step_functions().describe_execution

    def look(**arguments: Any) -> Any:
        looks.append(arguments["executionArn"].rpartition(":")[2])
        return real(**arguments)

    monkeypatch.setattr(clients.step_functions(), "describe_execution", look)

    assert call("GET", "/v1/batches/job")[1]["status"] == "failed"
    assert looks == ["job"]


def test_stopping_a_batch_stops_all_of_its_executions(call, machine, records):
    uri = machine.put(records(2))
    first = Execution("job", {"inputS3Uri": uri})
    first.plan(machine)
    beside = Execution("beside", {"inputS3Uri": uri, "batchId": "job"})

    assert call("POST", "/v1/batches/job/stop")[0] == 200

    # It would have run the batch as soon as the first one had stopped.
    assert (first.status, beside.status) == ("ABORTED", "ABORTED")


def test_the_end_of_a_rejected_execution_is_not_reported_as_the_end_of_the_batch(
    machine, records, context, monkeypatch
):
    published: list[str] = []
    monkeypatch.setattr(
        execution_ended, "publish", lambda _, detail: published.append(json.loads(detail)["execution"])
    )
    uri = machine.put(records(2))
    first = Execution("job", {"inputS3Uri": uri})
    first.plan(machine)
    second = Execution("two", {"inputS3Uri": uri, "batchId": "job"})
    with pytest.raises(InvalidBatch):
        second.plan(machine)
    for execution, status in ((second, "FAILED"), (first, "ABORTED")):
        execution.ends(status)
        execution_ended.handler(execution.end_event(), context)

    assert published == ["job"]
