"""Two functions do the same step of a job, because Step Functions has considered one of them lost."""

from __future__ import annotations

import pytest
from botocore.client import BaseClient

from lambdas.batch.managed.job_files import attempts_of
from llmmanager.testing import JobFault
from tests.integration.lambdas.batch.managed.test_crashes import check_usage


@pytest.fixture
def do_meanwhile(monkeypatch):
    """Does some work while a function is before its call with a number, counted from the first."""

    def do(work, *, before):
        counts = {"calls": 0}
        call = BaseClient._make_api_call

        def call_after_work(client, operation, parameters):
            if "127.0.0.1" not in client.meta.endpoint_url or client.meta.service_model.service_name != "s3":
                counts["calls"] += 1
                if counts["calls"] == before:
                    work()
            return call(client, operation, parameters)

        monkeypatch.setattr(BaseClient, "_make_api_call", call_after_work)

    return do


@pytest.mark.parametrize("before", [4, 13, 20, 30])
def test_records_of_parallel_steps_are_answered_and_paid_once(
    machine, deployed, prompts, many, do_meanwhile, before
):
    deployed.add_job_fault(JobFault(outcome="partial", count=1))
    [item] = machine.plan_jobs(many(8))
    do_meanwhile(lambda: machine.step(item), before=before)

    machine.run_job(item)
    machine.run_rest()
    summary = machine.collect()

    assert (summary["answered"], set(prompts.values())) == (8, {1})
    assert all(attempt.is_closed for attempt in attempts_of(machine.storage))
    assert summary["usage"]["outputTokens"] == deployed.billed.output_tokens
    check_usage(summary, deployed)
