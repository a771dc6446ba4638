"""The cost model of jobs matches the deployed state machine and the function of jobs."""

from __future__ import annotations

from typing import Any

from infra.stack_cost import batch, jobs
from tests.benchmarks.batch import entered_states


def test_the_model_counts_the_transitions_of_the_deployed_definition(stack: Any) -> None:
    definition = stack.definition("BatchMachine")["States"]
    shards, run_jobs = (branch["States"] for branch in definition["RunLanes"]["Branches"])
    names = [
        "RunLanes",
        "AnyOtherShards",
        shards["AnyOtherShards"]["Default"],
        "RunJobs",
        "PlanRest",
        "AnyRest",
    ]
    assert len(names) == jobs.LANE_TRANSITIONS
    assert set(names) <= {*definition, *shards, *run_jobs}

    waits = jobs.polls(3_600)
    steps = waits + 1
    job = run_jobs["RunJobs"]["ItemProcessor"]
    (counted,) = (
        line.count
        for line in jobs.job_cost(records=100, input_tokens=1, output_tokens=1, job_seconds=3_600)
        if line.what == "state transitions"
    )
    # Each wait enters one more state.
    assert counted == jobs.LANE_TRANSITIONS + entered_states(job, {}, invocations=steps) + waits


def test_the_models_function_of_jobs_has_the_memory_of_the_deployed_one(stack: Any) -> None:
    assert stack.of_type("AWS::Lambda::Function")["BatchJobFunction"]["MemorySize"] == batch.STEP_MEMORY_MB
