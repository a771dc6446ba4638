"""Each record has one result and no job is left, after any fault of a job and any crash of a function."""

from __future__ import annotations

import random
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import boto3
import pytest

from lambdas.batch import execution_ended, stop_signal
from lambdas.batch.managed import job_step
from lambdas.batch.managed.job_files import attempts_of
from lambdas.usage.usage_counts import UsageCounts, utc_day
from lambdas.usage.usage_table import UsageTable
from llmmanager.testing import JobFault
from tests.deployed_storage import USAGE_TABLE
from tests.integration.lambdas.batch.managed.crashes import Crash, Crashes

# Each of these finds a fault that was put into the code. Hundreds of others were run as well.
SEEDS = (1, 6, 10, 12, 20, 22)
OUTCOMES = ("completed",) * 2 + ("partial", "failed", "expired", "quota_exceeded", "pass_role_denied")
ENDED = ("Completed", "PartiallyCompleted", "Failed", "Stopped", "Expired")


@pytest.fixture
def bus(deployed):
    boto3.client("events").create_event_bus(Name="bus-of-the-test")


class Scenario:
    """A random batch: its records, what happens to its jobs, and where its functions stop."""

    def __init__(self, seed, machine, bedrock, monkeypatch):
        self.rng = rng = random.Random(seed)
        self.machine = machine
        self.bedrock = bedrock
        self.crashes = Crashes(rng, monkeypatch, most=rng.randint(0, 12))
        self.records = rng.randint(4, 16)
        self.jobs = rng.randint(1, 2)
        self.options = rng.choice([{}, {}, {"deadlineSeconds": 600}])
        bedrock.set_jobs(
            start_seconds=rng.choice([0, 20]),
            record_seconds=rng.choice([0, 3, 40]),
            stop_seconds=rng.choice([0, 15]),
            max_open_jobs=rng.choice([1, 100]),
        )
        for _ in range(rng.randint(0, 3)):
            bedrock.add_job_fault(self._fault())
        monkeypatch.setattr(job_step, "MAX_ATTEMPTS", rng.randint(1, 3))
        monkeypatch.setattr(stop_signal, "CHECK_SECONDS", 0)

    def _fault(self):
        rng = self.rng
        return JobFault(
            outcome=rng.choice(
                [
                    "completed",
                    "completed",
                    "partial",
                    "failed",
                    "expired",
                    "quota_exceeded",
                    "pass_role_denied",
                ]
            ),
            count=1,
            failing=rng.choice([0, 0, 0.4, 1]),
            late_seconds=rng.choice([0, 0, 30]),
            unknown_ids=rng.choice([0, 2]),
            duplicate_ids=rng.choice([0, 2]),
            zero_counts=rng.random() < 0.2,
        )

    def run(self, data, context):
        """Run the batch: some executions that are stopped, and one that ends."""
        for number in range(self.rng.randint(0, 2)):
            self._run_jobs(data, f"run-{number}", most_steps=self.rng.randint(0, 12))
            self._end(f"run-{number}", "ABORTED", data, context)
        self._run_jobs(data, "last", most_steps=None)
        for item in self.crashes.survive(self.machine.plan_rest):
            self.machine.run_shard(item)
        summary = self.machine.collect()
        self._end("last", "SUCCEEDED", data, context)
        return summary

    def _run_jobs(self, data, name, *, most_steps):
        """Do the steps of the jobs in a random order. Some are done twice."""
        may_create = most_steps is not None or self.rng.random() < 0.7
        items = self.machine.plan_jobs(data, jobs=self.jobs, name=name, mayCreate=may_create)
        while items and most_steps != 0:
            most_steps = most_steps and most_steps - 1
            item = items.pop(self.rng.randrange(len(items)))
            if most_steps == 0:
                self._step_and_stop(item)
                continue
            done = self.crashes.survive(lambda item=item: self.machine.step(item))
            if self.rng.random() < 0.1:
                done = self.crashes.survive(lambda item=item: self.machine.step(item))
            if not done["done"]:
                items.append(done)

    def _step_and_stop(self, item):
        """Do the last step of an execution that is stopped. Its function may be killed."""
        with suppress(Crash):
            self.crashes.once(lambda: self.machine.step(item))

    def _end(self, name, status, data, context):
        detail = {
            "executionArn": f"arn:aws:states:us-east-1:123456789012:execution:Batch:{name}",
            "name": name,
            "status": status,
            "input": '{"batchId": "mine"}',
        }
        self.crashes.survive(lambda: execution_ended.handler({"detail": detail}, context))
        assert {job["status"] for job in self.bedrock.jobs} <= {*ENDED, "Stopping"}


@pytest.mark.parametrize("seed", SEEDS)
def test_each_record_has_one_result_and_no_job_is_left(
    seed, machine, deployed, bus, prompts, records, context, monkeypatch
):
    monkeypatch.setenv("LLMMANAGER_SHARD_SIZE", "4")
    scenario = Scenario(seed, machine, deployed, monkeypatch)
    uri = machine.put(records(scenario.records))
    data = {"batchId": "mine", "inputS3Uri": uri, **scenario.options}

    summary = scenario.run(data, context)

    results = [*machine.lines("results.jsonl", batch="mine"), *machine.lines("failed.jsonl", batch="mine")]
    assert sorted(line["recordId"] for line in results) == sorted(
        f"record-{number}" for number in range(scenario.records)
    )
    assert summary["answered"] == scenario.records
    assert sum(part.answered for part in machine.storage.parts()) == scenario.records
    assert all(attempt.is_closed for attempt in attempts_of(machine.storage))
    # No output is lost here, so no record is paid for twice.
    assert set(prompts.values()) == {1}
    assert summary["usage"]["inputTokens"] == deployed.billed.input_tokens
    assert summary["usage"]["outputTokens"] == deployed.billed.output_tokens
    check_usage(summary, deployed)


def check_usage(summary, bedrock):
    """All usage is recorded once, and nothing is reserved any more."""
    today = datetime.now(UTC)
    table = UsageTable(boto3.client("dynamodb"), USAGE_TABLE)
    days = [utc_day(today + timedelta(days=number)) for number in range(-1, 30)]
    total = sum((counts for _, counts in table.rows(days)), UsageCounts())
    assert (total.input_tokens, total.output_tokens, total.unconfirmed_attempts) == (
        bedrock.billed.input_tokens,
        bedrock.billed.output_tokens,
        0,
    )
    assert total.requests == summary["answered"]
    assert total.cost == pytest.approx(summary["estimatedCostUsd"] * 10**9, abs=summary["records"])
    assert list(table.lost_leases(days, now=today + timedelta(days=100))) == []
