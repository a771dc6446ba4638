"""A worker of a budgeted batch whose process is killed: what it spent is in the ledger or in its lease."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

from lambdas.usage.budget import Period
from lambdas.usage.lease import Allowance
from tests.team_budget import billed_usage, days_around_now, set_budget, spending, total_usage, usage_table
from tests.waiting import wait_until

RECORDS = 60
# Nano-dollars. Enough for the records and the lost lease, and too little for two chunks of full size.
LIMIT = 1_500_000


def test_the_bill_of_a_killed_worker_is_at_most_its_lease_above_the_ledger(machine, bedrock, put, records):
    # A monthly one, so that no day ends in the test.
    set_budget(LIMIT, period=Period.MONTH)
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
    total, leases, bill = total_usage(), lost(), billed_usage(bedrock)
    assert leases == killed
    # Never below the bill, and above it by at most the lease of the killed worker.
    assert total.cost <= bill.cost <= total.cost + leases.cost
    assert total.output_tokens <= bill.output_tokens <= total.output_tokens + leases.output_tokens
    assert total.input_tokens <= bill.input_tokens <= total.input_tokens + leases.input_tokens
    state = spending()
    assert (state.committed, state.reserved) == (total.cost + leases.cost, leases.cost)
    assert state.committed <= LIMIT


def lost():
    """Return what is reserved in all leases, as if the time after which they are lost had passed."""
    later = datetime.now(UTC) + timedelta(days=1)
    leases = usage_table().lost_leases(days_around_now(), now=later)
    return sum((lease.allowance for lease in leases), Allowance())
