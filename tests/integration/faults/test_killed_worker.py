"""A worker whose process is killed, and the worker that continues."""

from __future__ import annotations

from collections import Counter

import pytest

from llmmanager.testing import Fault
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
