"""The cost model counts the steps, the requests and the transactions of a real job."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from infra.stack_cost.jobs import job_cost
from lambdas.batch.managed import job_step
from tests.integration.lambdas.conftest import GETS, PUTS

HOURS = 3


@pytest.mark.parametrize("count", [120, 600])
def test_a_job_makes_the_steps_and_requests_that_the_model_counts(
    machine: Any, deployed: Any, many: Any, operations: Counter[str], count: int
) -> None:
    deployed.set_jobs(start_seconds=HOURS * 3600)
    [item] = machine.plan_jobs({**many(count), "deadlineSeconds": 24 * 3600})
    operations.clear()
    steps = 0
    while not item.get("done"):
        item = machine.step(item)
        steps += 1
    job_step.handler(machine.planned, machine.context())

    lines = job_cost(records=count, input_tokens=20, output_tokens=20, job_seconds=HOURS * 3600)
    counts = {line.what: line.count for line in lines}
    assert steps + 1 == counts["invocations"]
    assert sum(operations[name] for name in PUTS) == pytest.approx(counts["PUT and LIST requests"], rel=0.02)
    assert sum(operations[name] for name in GETS) == pytest.approx(counts["GET requests"], rel=0.02)
    assert operations["TransactWriteItems"] * 3 == counts["write units"]
