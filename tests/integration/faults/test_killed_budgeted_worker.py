"""A worker of a budgeted batch whose process is killed: what it spent is in the ledger or in its lease."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import boto3

from lambdas.usage.budget import Budget, BudgetScope, Period
from lambdas.usage.budget_table import budget_table
from lambdas.usage.lease import Allowance
from lambdas.usage.money import nano_dollars
from lambdas.usage.period_limit import period_limits
from lambdas.usage.usage_counts import UsageCounts, utc_day
from lambdas.usage.usage_table import UsageTable
from llmmanager.bedrock.pricing import estimate_cost
from tests.integration.faults.conftest import USAGE_TABLE
from tests.waiting import wait_until

RECORDS = 60
# Nano-dollars. Enough for the records and the lost lease, and too little for two chunks of full size.
LIMIT = 1_500_000


def test_the_bill_of_a_killed_worker_is_at_most_its_lease_above_the_ledger(machine, bedrock, put, records):
    set_budget()
    # Some calls are in progress at the kill.
    bedrock.set_latency(0.1)
    uri = put(records(RECORDS))
    (item,) = machine.plan({"inputS3Uri": uri, "team": "search", "regions": ["us-east-1"]})[-1:]
    seed = random.randrange(10_000)
    print(f"seed {seed}")
    moment = random.Random(seed).randrange(1, item["records"])

    process = machine.start_worker(item)
    wait_until(lambda: len(bedrock.calls) >= moment)
    process.kill()
    process.wait()
    killed = lost()
    bedrock.set_latency(0)
    machine.run_shard(item)

    results = machine.parts(item)
    assert {result["recordId"] for result in results} == {f"record-{n}" for n in range(32, RECORDS)}
    total, leases, bill = settled(), lost(), billed(bedrock)
    assert leases == killed
    # Never below the bill, and above it by at most the lease of the killed worker.
    assert total.cost <= bill.cost <= total.cost + leases.cost
    assert total.output_tokens <= bill.output_tokens <= total.output_tokens + leases.output_tokens
    assert total.input_tokens <= bill.input_tokens <= total.input_tokens + leases.input_tokens
    [state] = UsageTable(boto3.client("dynamodb"), USAGE_TABLE).spending(limits())
    assert (state.committed, state.reserved) == (total.cost + leases.cost, leases.cost)
    assert state.committed <= LIMIT


def set_budget():
    now = datetime.now(UTC)
    # A monthly one, so that no day ends in the test.
    limits = {Period.MONTH: LIMIT}
    budget_table().put(
        Budget(scope=BudgetScope.TEAM, name="search", limits=limits, updated=now, updated_by="admin")
    )


def limits():
    return period_limits(budget_table().find([(BudgetScope.TEAM, "search")]), datetime.now(UTC))


def days():
    today = datetime.now(UTC)
    return [utc_day(today - timedelta(days=1)), utc_day(today)]


def settled():
    rows = UsageTable(boto3.client("dynamodb"), USAGE_TABLE).rows(days())
    return sum((counts for _, counts in rows), UsageCounts())


def lost():
    """Return what is reserved in all leases, as if the time after which they are lost had passed."""
    later = datetime.now(UTC) + timedelta(days=1)
    leases = UsageTable(boto3.client("dynamodb"), USAGE_TABLE).lost_leases(days(), now=later)
    return sum((lease.allowance for lease in leases), Allowance())


def billed(bedrock):
    total = UsageCounts()
    for row in bedrock.usage():
        price = estimate_cost(
            row.model_id, row.billed.usage, access_method=row.access_method, region=row.region
        )
        total += UsageCounts(
            input_tokens=row.billed.input_tokens,
            output_tokens=row.billed.output_tokens,
            cost=nano_dollars(price or 0),
        )
    return total
