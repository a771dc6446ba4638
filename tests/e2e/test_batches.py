"""Batches through the API and through Step Functions, and their files in S3."""

from __future__ import annotations

import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from llmmanager.testing import FakeBedrock, Fault
from local.batch_client import BatchResult, download_results, submit, wait_for_batch
from local.deployed_stack import Stack
from tests.waiting import wait_until

pytestmark = pytest.mark.e2e


def record(name: str, text: str = "Say something.") -> dict[str, Any]:
    return {"recordId": name, "modelInput": {"messages": [{"role": "user", "content": [{"text": text}]}]}}


def records(number: int) -> list[dict[str, Any]]:
    return [record(f"record-{index}", f"Question {index}?") for index in range(number)]


def run_batch(stack: Stack, body: dict[str, Any], folder: Path) -> BatchResult:
    batch_id = submit(stack, body)
    state = wait_for_batch(stack, batch_id)
    assert state["status"] == "succeeded", state
    assert state["results"]["summary"] == f"s3://{stack.bucket}/batches/{batch_id}/summary.json"
    batch = download_results(stack, batch_id, folder)
    assert state["summary"] == batch.summary
    return batch


def upload(stack: Stack, lines: list[str]) -> str:
    key = f"inputs/{time.time_ns()}.jsonl"
    stack.client("s3").put_object(Bucket=stack.bucket, Key=key, Body="\n".join(lines).encode())
    return f"s3://{stack.bucket}/{key}"


def test_an_inline_batch_answers_every_record_once(
    stack: Stack, bedrock: FakeBedrock, tmp_path: Path
) -> None:
    flat = {"request_id": "flat", "messages": [{"role": "user", "content": [{"text": "Flat?"}]}]}
    batch = run_batch(stack, {"requests": [*records(3), flat]}, tmp_path)
    assert sorted(line["recordId"] for line in batch.results) == ["flat", "record-0", "record-1", "record-2"]
    assert all(line["status"] == "answered" and line["modelOutput"] for line in batch.results)
    assert Counter(call.prompt for call in bedrock.calls) == Counter(
        ["Flat?", "Question 0?", "Question 1?", "Question 2?"]
    )
    assert batch.summary["answered"] == batch.summary["attempts"] == 4


def test_invalid_lines_are_rejected_by_number_and_the_others_answered(
    stack: Stack, bedrock: FakeBedrock, tmp_path: Path
) -> None:
    lines = [
        json.dumps(record("good-1")),
        "this is not JSON",
        json.dumps(["no", "object"]),
        json.dumps({"recordId": "no-messages", "modelInput": {}}),
        json.dumps(record("good-1")),
        json.dumps({"recordId": "typo", "modelInput": {**record("x")["modelInput"], "inferenceConfg": {}}}),
        json.dumps(record("good-2")),
    ]
    batch = run_batch(stack, {"inputS3Uri": upload(stack, lines)}, tmp_path)
    assert sorted(line["recordId"] for line in batch.results) == ["good-1", "good-2"]
    assert [line["line"] for line in batch.rejected] == [2, 3, 4, 5, 6]
    reasons = {line["line"]: " ".join(line["reasons"]) for line in batch.rejected}
    assert "JSON" in reasons[2]
    assert "object" in reasons[3]
    assert "messages" in reasons[4]
    assert "good-1" in reasons[5]
    assert "inferenceConfg" in reasons[6]
    assert (batch.summary["answered"], batch.summary["rejected"]) == (2, 5)


def test_all_records_are_answered_if_a_region_is_unavailable(
    stack: Stack, bedrock: FakeBedrock, tmp_path: Path
) -> None:
    bedrock.add_fault(Fault(error="ServiceUnavailableException", region="us-west-2", operation="Converse"))
    batch = run_batch(stack, {"inputS3Uri": upload(stack, list(map(json.dumps, records(30))))}, tmp_path)
    assert len(batch.results) == batch.summary["answered"] == 30
    assert "us-west-2" not in batch.summary["byRegion"]
    assert batch.summary["attempts"] == len(bedrock.calls) > 30


def test_a_failed_record_can_be_submitted_again(stack: Stack, bedrock: FakeBedrock, tmp_path: Path) -> None:
    bedrock.add_fault(Fault(error="ServiceUnavailableException", operation="Converse"))
    batch = run_batch(stack, {"requests": [record("unlucky", "Again?")]}, tmp_path / "first")
    (failed,) = batch.failed
    assert (failed["recordId"], failed["status"]) == ("unlucky", "failed")
    assert failed["error"]["message"]
    bedrock.reset()
    again = [{key: failed[key] for key in ("recordId", "modelInput")}]
    second = run_batch(stack, {"requests": again}, tmp_path / "second")
    assert [(line["recordId"], line["status"]) for line in second.results] == [("unlucky", "answered")]
    assert {call.prompt for call in bedrock.calls} == {"Again?"}


def test_a_worker_at_its_timeout_is_continued_without_repeating_calls(
    stack: Stack, bedrock: FakeBedrock, tmp_path: Path
) -> None:
    # Two calls run at a time, and none starts after half of the 30 s: one invocation is not enough for eight.
    bedrock.set_latency(6.0, operation="Converse")
    batch = run_batch(stack, {"requests": records(8)}, tmp_path)
    assert batch.summary["answered"] == 8
    assert Counter(call.prompt for call in bedrock.calls) == {f"Question {index}?": 1 for index in range(8)}
    assert worker_runs(stack, batch.summary["batchId"]) > 1


def worker_runs(stack: Stack, batch_id: str) -> int:
    """Return how often a worker ran for this batch, for all shards."""
    states = stack.client("stepfunctions")
    execution = stack.batch_machine_arn.replace(":stateMachine:", ":execution:") + f":{batch_id}"
    (map_run,) = states.list_map_runs(executionArn=execution)["mapRuns"]
    shards = states.list_executions(mapRunArn=map_run["mapRunArn"])["executions"]
    histories = [
        states.get_execution_history(executionArn=shard["executionArn"])["events"] for shard in shards
    ]
    return sum(event["type"] == "TaskSucceeded" for history in histories for event in history)


def test_step_functions_runs_a_batch_without_the_api(
    stack: Stack, bedrock: FakeBedrock, tmp_path: Path
) -> None:
    execution = run_execution(stack, {"requests": records(2)})
    assert execution["status"] == "SUCCEEDED"
    batch = download_results(stack, execution["name"], tmp_path)
    assert batch.summary["batchId"] == execution["name"]
    assert batch.summary["answered"] == 2


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ([], "object"),
        ({"requests": []}, "requests"),
        ({"inputS3Uri": "s3://other-bucket/file"}, "other-bucket"),
    ],
)
def test_an_execution_with_invalid_input_fails_with_the_reason(
    stack: Stack, bedrock: FakeBedrock, data: Any, reason: str
) -> None:
    execution = run_execution(stack, data)
    assert execution["status"] == "FAILED"
    assert reason in execution["cause"]
    assert bedrock.calls == ()


def run_execution(stack: Stack, data: Any) -> dict[str, Any]:
    states = stack.client("stepfunctions")
    arn = states.start_execution(stateMachineArn=stack.batch_machine_arn, input=json.dumps(data))[
        "executionArn"
    ]
    wait_until(
        lambda: states.describe_execution(executionArn=arn)["status"] != "RUNNING", "the end", every=0.1
    )
    execution: dict[str, Any] = states.describe_execution(executionArn=arn)
    return execution


def test_a_budgeted_batch_spends_its_budget_and_reports_what_did_not_run(
    stack: Stack, bedrock: FakeBedrock, tmp_path: Path
) -> None:
    team = f"batch-{time.time_ns()}"
    # Each record may cost 0.00009 USD and costs some 0.00002.
    stack.api.call("PUT", f"/v1/budgets/team/{team}", '{"dailyUsd": 0.0003}').expect(200)
    lines = records(24)
    for line in lines:
        line["modelInput"]["inferenceConfig"] = {"maxTokens": 200}
    options = {"team": team, "models": ["Nova Lite"], "regions": ["us-east-1"]}

    batch = run_batch(stack, {"inputS3Uri": upload(stack, list(map(json.dumps, lines))), **options}, tmp_path)

    summary = batch.summary
    assert summary["answered"] + summary["failed"] == 24
    assert summary["overBudget"] == summary["failed"] > 0
    assert summary["answered"] > 0
    assert {line["error"]["type"] for line in batch.failed} == {"BudgetExceeded"}
    usage = stack.api.get(f"/v1/usage?team={team}&groupBy=caller").expect(200)
    [row] = usage["rows"]
    assert (row["requests"], row["outputTokens"]) == (summary["answered"], bedrock.billed.output_tokens)
    assert row["caller"] == summary["caller"] != "unknown"
    budget = stack.api.get(f"/v1/budgets/team/{team}").expect(200)
    assert budget["day"]["reserved"] == 0
    assert budget["day"]["spent"] == pytest.approx(row["costUsd"])
    assert 0 <= budget["day"]["left"] < 0.0001
    metadata = bedrock.calls[-1].body["requestMetadata"]
    assert (metadata["team"], metadata["batchId"]) == (team, summary["batchId"])
