"""Batches whose records run in batch jobs of Bedrock, on the deployed stack with permissions enforced."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from llmmanager.testing import FakeBedrock, JobFault
from local.batch_client import read_lines, submit, wait_for_batch
from local.deployed_stack import Stack
from tests.waiting import wait_until

pytestmark = pytest.mark.e2e

RECORDS = 100
TOOL = {"toolSpec": {"name": "search", "inputSchema": {"json": {"type": "object"}}}}
START = {"models": ["Nova Micro"], "regions": ["us-east-1"], "deadlineSeconds": 6 * 3600}


def records(*, with_tools: int = 0) -> list[dict[str, Any]]:
    """Return records for one job, and others that no job can run."""
    return [
        {
            "recordId": f"record-{number}",
            "modelInput": {
                "messages": [{"role": "user", "content": [{"text": f"Is {number} large?"}]}],
                **({"toolConfig": {"tools": [TOOL]}} if number >= RECORDS else {}),
            },
        }
        for number in range(RECORDS + with_tools)
    ]


def results(stack: Stack, batch_id: str, folder: Any) -> list[dict[str, Any]]:
    path = folder / "results.jsonl"
    stack.client("s3").download_file(stack.bucket, f"batches/{batch_id}/results.jsonl", str(path))
    return read_lines(path)


def test_a_job_answers_the_records_that_it_can_and_calls_answer_the_others(
    stack: Stack, bedrock: FakeBedrock, tmp_path: Any
) -> None:
    bedrock.add_job_fault(JobFault(failing=0.02))
    batch_id = submit(stack, {"requests": records(with_tools=3), **START})
    state = wait_for_batch(stack, batch_id)

    summary = state["summary"]
    assert (summary["answered"], summary["failed"], summary["rejected"]) == (RECORDS + 3, 0, 0)
    lines = results(stack, batch_id, tmp_path)
    assert Counter(line["lane"] for line in lines) == {"managed": RECORDS - 2, "onDemand": 2 + 3}
    assert sorted(line["recordId"] for line in lines) == sorted(r["recordId"] for r in records(with_tools=3))
    with_tools = {f"record-{number}" for number in range(RECORDS, RECORDS + 3)}
    assert with_tools <= {line["recordId"] for line in lines if line["lane"] == "onDemand"}
    (job,) = bedrock.jobs
    assert (job["status"], job["successRecordCount"]) == ("Completed", RECORDS - 2)
    assert job["roleArn"].split("/")[-1].startswith("LlmManager-BatchModelJobsRole")
    assert len([call for call in bedrock.calls if call.operation == "Converse"]) == 2 + 3
    managed = summary["byLane"]["managed"]
    assert managed["estimatedCostUsd"] == pytest.approx(managed["savedUsd"])


def test_the_job_of_a_stopped_batch_is_stopped_and_the_resumed_batch_keeps_its_answers(
    stack: Stack, bedrock: FakeBedrock, tmp_path: Any
) -> None:
    bedrock.set_jobs(record_seconds=0.5)
    batch_id = submit(stack, {"requests": records(), **START})
    wait_until(lambda: [job["successRecordCount"] >= 3 for job in bedrock.jobs] == [True])
    stack.api.post(f"/v1/batches/{batch_id}/stop", {}).expect(200)
    wait_until(lambda: bedrock.jobs[0]["status"] == "Stopped")

    stack.api.post(f"/v1/batches/{batch_id}/resume", {}).expect(202)
    state = wait_for_batch(stack, batch_id)

    assert (state["summary"]["answered"], state["summary"]["failed"]) == (RECORDS, 0)
    # Too few records are left for another job.
    (job,) = bedrock.jobs
    lines = results(stack, batch_id, tmp_path)
    answered = job["successRecordCount"]
    assert 3 <= answered < RECORDS
    assert Counter(line["lane"] for line in lines) == {"managed": answered, "onDemand": RECORDS - answered}
    assert len({line["recordId"] for line in lines}) == RECORDS
    assert len([call for call in bedrock.calls if call.operation == "Converse"]) == RECORDS - answered
