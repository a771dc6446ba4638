"""The batch cost model matches the deployed state machine."""

from __future__ import annotations

import pytest

from infra.batch import WORKER_MEMORY_MB
from infra.stack_cost.batch import BatchStack, estimate_batch_cost
from tests.benchmarks.batch import transitions


@pytest.mark.parametrize(("records", "latency"), [(1, 0), (300, 1), (20_000, 3), (2_000, 100)])
def test_the_model_counts_the_transitions_of_the_deployed_definition(records: int, latency: float) -> None:
    cost = estimate_batch_cost(
        "Nova Lite", records=records, input_tokens=100, output_tokens=100, latency_seconds=latency
    )

    # Each further worker of a shard enters two more states.
    runs = round(cost.count("invocations")) - 2
    shards = _shards(records)
    extra = transitions(1, invocations=2) - transitions(1)
    assert cost.count("state transitions") == transitions(shards) + extra * (runs - shards)


def test_the_models_worker_has_the_memory_of_the_deployed_worker() -> None:
    assert BatchStack().worker_memory_mb == WORKER_MEMORY_MB


def _shards(records: int) -> int:
    cost = estimate_batch_cost(
        "Nova Lite", records=records, input_tokens=1, output_tokens=1, latency_seconds=0
    )
    return round(cost.count("invocations")) - 2
