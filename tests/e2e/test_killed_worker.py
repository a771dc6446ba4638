"""A worker that is killed during its shard, as Lambda does when a function runs out of memory."""

from __future__ import annotations

import os
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from llmmanager.testing import FakeBedrock
from local.batch_client import download_results, submit, wait_for_batch
from local.deployed_stack import Stack
from tests.waiting import wait_until

pytestmark = pytest.mark.e2e

RECORDS, CONCURRENCY = 8, 2


def record(number: int) -> dict[str, Any]:
    text = f"Question {number}?"
    return {
        "recordId": f"record-{number}",
        "modelInput": {"messages": [{"role": "user", "content": [{"text": text}]}]},
    }


def worker_processes(stack: Stack) -> list[int]:
    """Return the ids of the processes in which this emulator runs workers."""
    endpoint = f"AWS_ENDPOINT_URL={stack.endpoint_url}".encode()
    own = (endpoint, b"AWS_LAMBDA_FUNCTION_NAME=LlmManager-BatchWorker")
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            environment = (folder / "environ").read_bytes()
        except OSError:
            continue
        if all(variable in environment for variable in own):
            found.append(int(folder.name))
    return found


def test_a_killed_worker_is_replaced_and_every_record_is_answered_once(
    stack: Stack, bedrock: FakeBedrock, tmp_path: Path
) -> None:
    bedrock.set_latency(1.5, operation="Converse")
    batch_id = submit(stack, {"requests": [record(number) for number in range(RECORDS)]})
    wait_until(lambda: len(bedrock.calls) > 3 * CONCURRENCY)

    killed = worker_processes(stack)
    for process in killed:
        os.kill(process, signal.SIGKILL)

    state = wait_for_batch(stack, batch_id)
    batch = download_results(stack, batch_id, tmp_path)
    assert killed
    assert (state["status"], batch.summary["answered"], batch.summary["failed"]) == ("succeeded", RECORDS, 0)
    assert sorted(line["recordId"] for line in batch.results) == [f"record-{n}" for n in range(RECORDS)]
    prompts = Counter(call.prompt for call in bedrock.calls)
    assert set(prompts) == {f"Question {number}?" for number in range(RECORDS)}
    # Sent again: running calls, and answers of the last 1.5 s, which were not written yet.
    assert RECORDS < sum(prompts.values()) <= RECORDS + 3 * CONCURRENCY
