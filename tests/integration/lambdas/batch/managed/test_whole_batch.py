"""A batch whose plan has chosen the managed lane, from its plan to its summary."""

from __future__ import annotations

import json

import pytest

from lambdas.batch.managed import job_step

TOOLS = {"tools": [{"toolSpec": {"name": "find", "inputSchema": {"json": {"type": "object"}}}}]}


@pytest.fixture
def mixed(machine, records):
    """The input of a batch of 300 records in the region of the stack, of which a tenth has tools."""
    batch = records(300)
    for record in batch[::10]:
        record["modelInput"]["toolConfig"] = TOOLS
    options = {"models": ["Nova Lite"], "regions": ["us-east-1"], "deadlineSeconds": 12 * 3600}
    return {"inputS3Uri": machine.put(batch), **options}


@pytest.fixture(autouse=True)
def limits(monkeypatch, deployed):
    """Bedrock's limit of the records of a job."""
    monkeypatch.setattr(job_step, "MIN_JOB_RECORDS", 100)
    deployed.set_jobs(min_records=100)


def run(machine, data):
    """Run both branches of the state machine, then the rest, and return the summary."""
    direct = machine.plan(data, runs_jobs=True)
    for item in json.loads(machine.read(machine.planned["jobsKey"])):
        machine.run_job(item)
    for item in direct:
        machine.run_shard(item)
    machine.run_rest()
    return machine.collect()


def test_a_batch_with_a_late_deadline_costs_little_more_than_half(machine, deployed, mixed):
    summary = run(machine, mixed)

    [job] = deployed.jobs
    called = [call for call in deployed.calls if call.operation == "Converse"]
    assert (job["successRecordCount"], len(called)) == (270, 30)
    assert all("toolConfig" in call.body for call in called)
    assert (summary["answered"], summary["failed"]) == (300, 0)
    on_demand = summary["estimatedCostUsd"] + summary["byLane"]["managed"]["savedUsd"]
    assert summary["estimatedCostUsd"] <= 0.56 * on_demand
    estimates = {estimate["lane"]: estimate for estimate in summary["lanes"]["estimates"]}
    assert estimates["managed"]["estimatedCostUsd"] == pytest.approx(summary["estimatedCostUsd"], rel=0.05)
    assert estimates["onDemand"]["estimatedCostUsd"] == pytest.approx(on_demand, rel=0.05)
    assert sorted(line["recordId"] for line in machine.lines("results.jsonl")) == sorted(
        f"record-{number}" for number in range(300)
    )


def test_copies_of_an_answer_of_a_job_are_paid_once(machine, deployed, many, texts):
    """Two functions may import a job at the same time."""
    texts += ["no"] * 4 + ["yes"] * 200
    rules = {"responseValidation": {"mustContain": ["yes"]}}
    summary = machine.run_batch({**many(100), **rules})
    storage = machine.storage
    for part in list(storage.parts()):
        if part.from_job:
            lines = [storage.read(part.key)]
            storage.add_part(part.shard, lines, number=99, answered=part.answered, failed=0, from_job=True)

    again = machine.collect()

    names = ("records", "answered", "attempts", "usage", "estimatedCostUsd", "byLane")
    assert again["usage"]["outputTokens"] == deployed.billed.output_tokens
    assert {name: again[name] for name in names} == {name: summary[name] for name in names}
