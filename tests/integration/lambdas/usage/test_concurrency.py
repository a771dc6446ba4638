"""Many threads of several processes under one budget, some of which are killed."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lambdas.usage.lease import Allowance
from lambdas.usage.usage_counts import UsageCounts
from llmmanager.testing import FakeBedrock
from tests.integration.lambdas.usage.accounts import TABLE, Accounts, History, team_budget
from tests.waiting import PATIENCE_SECONDS, wait_until

ROOT = Path(__file__).parents[4]
PROCESSES = 4
THREADS = 50
# Nano-dollars. A call may cost some 61,000 and costs some 23,500, so the calls of two processes cost more.
BUDGET = team_budget(day=4_200_000, month=20_000_000)


@pytest.mark.parametrize("killed", [0, 2], ids=["none", "half"])
def test_a_budget_holds_for_200_threads_whose_processes_are_killed_at_random(
    accounts: Accounts, fake_bedrock: FakeBedrock, billed: Callable[[], UsageCounts], killed: int
) -> None:
    # Some calls are in progress at each kill.
    fake_bedrock.set_latency(0.2)
    accounts.put_budget(BUDGET)
    history = History(accounts, BUDGET)
    workers = [start_worker(accounts, fake_bedrock, name) for name in range(PROCESSES)]
    seed = random.randrange(10_000)
    print(f"seed {seed}")
    moments = sorted(random.Random(seed).sample(range(5, 60), killed))
    for worker, calls in zip(workers, moments, strict=False):
        wait_until(lambda calls=calls: len(fake_bedrock.calls) >= calls, "enough calls")
        worker.kill()
    outputs = [worker.communicate(timeout=PATIENCE_SECONDS)[0] for worker in workers]
    outcomes = [json.loads(output.splitlines()[-1]) for output in outputs[killed:]]
    assert [worker.returncode for worker in workers[killed:]] == [0] * (PROCESSES - killed)

    settled, leases, bill = accounts.total(), accounts.leases(), billed()
    lost = sum((lease.allowance for lease in leases), Allowance())
    assert not history.was_exceeded
    assert sum(outcome.get("refused", 0) for outcome in outcomes) > 0
    assert {lease.caller.id for lease in leases} <= {f"worker-{name}" for name in range(killed)}
    assert len(leases) <= killed * THREADS
    # Never below the bill, and above it by at most the lost leases.
    assert settled.input_tokens <= bill.input_tokens <= settled.input_tokens + lost.input_tokens
    assert settled.output_tokens <= bill.output_tokens <= settled.output_tokens + lost.output_tokens
    assert settled.cost <= bill.cost <= settled.cost + lost.cost
    for period in accounts.spending(BUDGET):
        assert (period.committed, period.reserved) == (settled.cost + lost.cost, lost.cost)
    reported = [json.loads(entry["Detail"]) for entry in accounts.server.events]
    thresholds = sorted((event["period"], event["threshold"]) for event in reported)
    # A process that is killed while it reports leaves that to a call half a minute later. Lost leases can
    # keep what is spent below 80 %.
    expected = [("day", 80), ("day", 100)]
    assert thresholds == [threshold for threshold in expected if threshold in thresholds]
    if not killed:
        assert thresholds == expected
        assert leases == []
        assert settled.requests == sum(outcome.get("answered", 0) for outcome in outcomes)


def start_worker(accounts: Accounts, bedrock: FakeBedrock, number: int) -> subprocess.Popen[str]:
    module = "tests.integration.lambdas.usage.spending_worker"
    return subprocess.Popen(
        [sys.executable, "-m", module, accounts.server.url, TABLE, f"worker-{number}", str(THREADS), "2"],
        cwd=ROOT,
        env={
            **bedrock.environment,
            "PATH": os.environ["PATH"],
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL_EVENTBRIDGE": accounts.server.url,
            "LLMMANAGER_EVENT_BUS": "bus",
        },
        stdout=subprocess.PIPE,
        text=True,
    )
