"""The cost model counts the requests of a real run of a batch."""

from __future__ import annotations

import pytest

from infra.stack_cost.batch import BatchStack, estimate_batch_cost
from lambdas.batch import parts, stop_signal
from tests.integration.lambdas.conftest import GETS, PUTS

RECORDS = 300


def test_a_run_makes_the_requests_that_the_model_counts(machine, records, operations, monkeypatch):
    # The requests that a worker repeats after some time are excluded, because these calls take no time.
    monkeypatch.setattr(parts, "PART_SECONDS", 3600)
    monkeypatch.setattr(stop_signal, "CHECK_SECONDS", 3600)
    uri = machine.put(records(RECORDS))
    operations.clear()
    items = machine.plan({"inputS3Uri": uri})
    operations["GetObject"] -= 1  # the test itself reads the manifest
    invocations = [machine.run_shard(item) for item in items]
    summary = machine.collect()

    cost = estimate_batch_cost(
        "Nova Lite",
        records=RECORDS,
        input_tokens=round(summary["usage"]["inputTokens"] / RECORDS),
        output_tokens=round(summary["usage"]["outputTokens"] / RECORDS),
        latency_seconds=0,
        stack=BatchStack(regions=3, shard_size=500),
    )
    assert sum(operations[name] for name in PUTS) == cost.count("PUT and LIST requests")
    # And Step Functions reads the manifest.
    assert sum(operations[name] for name in GETS) + 1 == cost.count("GET requests")
    assert 2 + len(invocations) == cost.count("invocations")
    # A third of the records went to eu-central-1, where the model's profile costs 1.3 times as much.
    assert summary["estimatedCostUsd"] == pytest.approx(cost.tokens_usd * 1.1, rel=0.03)


def test_a_run_reads_and_writes_the_tables_no_more_than_the_model_counts(machine, records, operations):
    uri = machine.put(records(RECORDS))
    operations.clear()
    items = machine.plan({"inputS3Uri": uri})
    for item in items:
        machine.run_shard(item)
    machine.collect()

    # Here all functions are one process, which reads the catalog once. The plan reads the quotas twice.
    # Each worker reads the budget of its caller, and writes its usage once. Collect reads which did.
    assert operations["BatchGetItem"] <= 3 + len(items)
    assert operations["TransactWriteItems"] == len(items)
    assert operations["Query"] <= len(items) + 1
    assert operations["PutItem"] == 0
