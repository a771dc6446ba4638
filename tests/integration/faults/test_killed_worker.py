"""A worker whose process is killed, and the worker that continues."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from llmmanager.testing import Fault
from tests.team_budget import billed_usage, total_usage
from tests.waiting import wait_until


@pytest.mark.parametrize("answers_written", [1, 26])
def test_a_worker_killed_in_the_middle_loses_no_answer_that_was_written(
    machine, bedrock, put, records, answers_written
):
    bedrock.set_latency(0.1)
    # One record that is never answered keeps the worker from its end.
    bedrock.add_fault(Fault(hang=True, count=1))
    (item,) = machine.plan({"inputS3Uri": put(records(60)), "regions": ["us-east-1"]})[-1:]

    process = machine.start_worker(item)
    wait_until(lambda: len(machine.parts(item)) >= answers_written)
    process.kill()
    process.wait()
    finished = [result["recordId"] for result in machine.parts(item)]
    machine.run_shard(item)

    assert answers_written <= len(finished) < item["records"]
    assert Counter(result["recordId"] for result in machine.parts(item)).most_common(1)[0][1] == 1
    calls_by_prompt = Counter(call.prompt for call in bedrock.calls)
    assert all(calls_by_prompt[f"Question {name.removeprefix('record-')}?"] == 1 for name in finished)


def test_an_answer_is_safe_while_the_next_one_is_still_awaited(machine, bedrock, put, records):
    (item,) = machine.plan({"inputS3Uri": put(records(20)), "regions": ["us-east-1"]})
    bedrock.add_fault(Fault(hang=True, count=7))

    process = machine.start_worker(item)
    try:
        wait_until(lambda: len(machine.parts(item)) == 13)
    finally:
        process.kill()
        process.wait()


def test_the_usage_of_a_killed_worker_is_counted_once_when_the_batch_ends(machine, bedrock, put, records):
    (item,) = machine.plan({"inputS3Uri": put(records(20)), "regions": ["us-east-1"], "team": "search"})
    # A record that is never answered, and is not billed, keeps the worker from its end.
    bedrock.add_fault(Fault(hang=True, count=1))

    process = machine.start_worker(item)
    wait_until(lambda: len(machine.parts(item)) == 19)
    process.kill()
    process.wait()
    assert total_usage().requests == 0
    machine.run_shard(item)
    assert total_usage().requests == 1
    for _ in range(2):
        machine.collect()
        assert total_usage() == replace(billed_usage(bedrock), requests=20)


def test_usage_that_a_worker_cannot_record_is_counted_when_the_batch_ends(
    machine, aws, bedrock, put, records
):
    items = machine.plan({"inputS3Uri": put(records(10)), "regions": ["us-east-1"]})
    aws.inject_fault("dynamodb")
    for item in items:
        machine.run_shard(item)
    machine.collect()
    aws.recover()
    assert total_usage().requests == 0
    machine.collect()
    assert total_usage() == replace(billed_usage(bedrock), requests=10)


def test_of_a_worker_killed_at_random_only_calls_without_a_written_result_are_not_counted(
    machine, bedrock, put, records
):
    bedrock.set_latency(0.1)
    (item,) = machine.plan({"inputS3Uri": put(records(60)), "regions": ["us-east-1"]})[-1:]

    process = machine.start_worker(item)
    wait_until(lambda: machine.parts(item))
    process.kill()
    process.wait()
    written = len(machine.parts(item))
    bedrock.set_latency(0)
    sent_before = len(bedrock.calls)
    machine.run_shard(item)
    machine.collect()

    total = total_usage()
    assert item["records"] <= total.requests <= len(bedrock.calls)
    assert total.cost <= billed_usage(bedrock).cost
    assert len(bedrock.calls) - total.requests <= sent_before - written
