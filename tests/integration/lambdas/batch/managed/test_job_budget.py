"""Jobs of callers with budgets: reserved before they are created, and settled after their import."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from lambdas.batch.managed import open_attempt
from lambdas.usage import spending as call_spending
from lambdas.usage.transaction import UsageTableUnavailable
from llmmanager.testing import JobFault
from tests.team_budget import days_around_now, set_budget, spending, total_usage, usage_table

RICH = 10**12


def batch(many, count):
    return {**many(count), "team": "search"}


def test_a_job_is_reserved_at_its_upper_bound_and_settled_at_its_cost(machine, deployed, many):
    set_budget(RICH)
    deployed.set_jobs(start_seconds=10)
    [item] = machine.plan_jobs(batch(many, 20))
    item = machine.step(item)
    reserved = spending().reserved

    machine.run_job(item)
    summary = machine.collect()

    cost = summary["estimatedCostUsd"] * 10**9
    assert reserved > cost
    assert (spending().reserved, spending().committed) == (0, pytest.approx(cost, abs=20))
    assert (total_usage().requests, total_usage().input_tokens) == (20, deployed.billed.input_tokens)
    assert total_usage().cost == spending().committed


def test_a_job_that_exceeds_a_budget_is_not_created_and_its_records_meet_the_budget(machine, deployed, many):
    set_budget(150_000)

    summary = machine.run_batch(batch(many, 20))

    assert not deployed.jobs
    assert summary["answered"] + summary["overBudget"] == 20
    assert 0 < summary["answered"] < 20
    [reason] = summary["jobs"]["reasons"]
    assert "budget of team 'search' does not allow this call" in reason


def test_the_reservation_of_a_job_lives_as_long_as_the_job(machine, deployed, many):
    set_budget(RICH)
    deployed.set_jobs(record_seconds=3600)
    [item] = machine.plan_jobs(batch(many, 20))
    machine.step(item)

    assert (
        list(usage_table().lost_leases(days_around_now(), now=datetime.now(UTC) + timedelta(hours=30))) == []
    )
    [lost] = usage_table().lost_leases(days_around_now(), now=datetime.now(UTC) + timedelta(days=4))
    assert lost.allowance.cost == spending().reserved


def test_a_job_without_output_counts_at_its_upper_bound(machine, deployed, many):
    set_budget(RICH)
    deployed.add_job_fault(JobFault(late_seconds=10**6))
    [item] = machine.plan_jobs(batch(many, 20))

    machine.run_job(item)

    assert spending().reserved == 0
    counts = total_usage()
    assert (counts.requests, counts.unconfirmed_attempts) == (0, 20)
    assert spending().committed == counts.unconfirmed_cost > 0


def test_a_record_of_a_budgeted_caller_gets_a_maximum_length(machine, deployed, records):
    set_budget(RICH)
    [record] = records(1)
    del record["modelInput"]["inferenceConfig"]

    machine.run_batch({"inputS3Uri": machine.put([record]), "team": "search"})

    [key] = [key for key in machine.keys("batches/batch-1/jobs/") if key.endswith("/records.jsonl")]
    assert b'"maxTokens":4096' in machine.read(key)


def test_a_job_waits_for_the_table_of_usage(machine, deployed, many, monkeypatch):
    set_budget(RICH)
    [item] = machine.plan_jobs(batch(many, 4))

    def unavailable(*_args, **_options):
        raise UsageTableUnavailable("the usage table is unavailable")

    with monkeypatch.context() as patched:
        patched.setattr(call_spending.Ledger, "reserve", unavailable)
        item = machine.step(item)
    assert (item["done"], item["waitSeconds"], deployed.jobs) == (False, 30, ())
    with monkeypatch.context() as patched:
        patched.setattr(open_attempt.JobReservation, "settle", unavailable)
        item = machine.step(item)
    assert (item["done"], item["waitSeconds"]) == (False, 30)
    machine.run_job(item)

    assert machine.collect()["answered"] == 4
    assert (total_usage().requests, spending().reserved) == (4, 0)
