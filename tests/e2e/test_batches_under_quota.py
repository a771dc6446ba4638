"""Batches on the deployed stack while Bedrock has too little quota for them."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import pytest

from llmmanager.testing import FakeBedrock
from local.batch_client import submit, wait_for_batch
from local.deployed_stack import Stack
from tests.waiting import wait_until, wait_until_quiet

pytestmark = pytest.mark.e2e

QUOTA = 6
ONE_TARGET = {"models": ["Nova Lite"], "regions": ["us-east-1"]}


def records(number: int) -> list[dict[str, Any]]:
    name = time.time_ns()
    return [
        {
            "recordId": f"record-{index}",
            "modelInput": {
                "messages": [{"role": "user", "content": [{"text": f"Is {name}-{index} large?"}]}]
            },
        }
        for index in range(number)
    ]


def progress(stack: Stack, batch_id: str) -> dict[str, Any]:
    found: dict[str, Any] = stack.api.get(f"/v1/batches/{batch_id}").expect(200)["progress"]
    return found


def test_a_batch_under_a_quota_that_is_stopped_and_resumed_answers_every_record(
    stack: Stack, bedrock: FakeBedrock
) -> None:
    bedrock.set_quota(requests_per_minute=QUOTA)
    batch_id = submit(stack, {"requests": records(60), **ONE_TARGET})
    wait_until(lambda: progress(stack, batch_id)["answered"] >= 10)
    stack.api.post(f"/v1/batches/{batch_id}/stop", {}).expect(200)
    wait_until_quiet(bedrock)

    stack.api.post(f"/v1/batches/{batch_id}/resume", {}).expect(202)
    state = wait_for_batch(stack, batch_id)

    assert (state["summary"]["answered"], state["summary"]["failed"]) == (60, 0)
    paid = Counter(call.prompt for call in bedrock.calls if call.status == 200)
    assert len(paid) == 60
    # A worker of the stopped execution may still be running when the next one starts.
    assert paid.total() <= 60 + QUOTA
