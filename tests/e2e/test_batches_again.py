"""Batches that are stopped and resumed, have a priority, or are a step of another state machine."""

from __future__ import annotations

import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from llmmanager.testing import FakeBedrock
from local.batch_client import download_results
from local.deployed_stack import Stack
from tests.waiting import wait_until, wait_until_quiet

pytestmark = pytest.mark.e2e


def records(number: int) -> list[dict[str, Any]]:
    return [
        {
            "recordId": f"record-{index}",
            "modelInput": {"messages": [{"role": "user", "content": [{"text": f"Question {index}?"}]}]},
        }
        for index in range(number)
    ]


def ended(stack: Stack, arn: str) -> dict[str, Any]:
    """Wait for the end of an execution and return it."""
    states = stack.client("stepfunctions")
    wait_until(
        lambda: states.describe_execution(executionArn=arn)["status"] != "RUNNING", "the end", every=0.1
    )
    execution: dict[str, Any] = states.describe_execution(executionArn=arn)
    return execution


def run(stack: Stack, name: str, data: dict[str, Any]) -> str:
    """Start an execution; return its ARN."""
    arn: str = stack.client("stepfunctions").start_execution(
        stateMachineArn=stack.batch_machine_arn, name=name, input=json.dumps(data)
    )["executionArn"]
    return arn


def test_a_batch_that_ended_at_its_deadline_is_resumed_without_paying_twice(
    stack: Stack, bedrock: FakeBedrock, tmp_path: Path
) -> None:
    bedrock.set_latency(3.0, operation="Converse")
    batch_id = f"resumed-{time.time_ns()}"
    data = {"batchId": batch_id, "requests": records(20), "regions": ["us-east-1"]}
    first = ended(stack, run(stack, f"{batch_id}-1", {**data, "deadlineSeconds": 8}))
    before = json.loads(first["output"])
    failed = download_results(stack, batch_id, tmp_path / "first").failed
    bedrock.set_latency(0.0, operation="Converse")

    after = json.loads(ended(stack, run(stack, f"{batch_id}-2", data))["output"])

    assert before["status"] == "stopped"
    assert len(failed) == 20 - before["answered"] > 0
    assert {line["error"]["type"] for line in failed} == {"DeadlinePassed"}
    assert (after["status"], after["answered"]) == ("succeeded", 20)
    results = download_results(stack, batch_id, tmp_path / "second").results
    assert sorted(line["recordId"] for line in results) == sorted(r["recordId"] for r in records(20))
    assert Counter(call.prompt for call in bedrock.calls) == {f"Question {index}?": 1 for index in range(20)}


def test_a_stopped_batch_ends_its_calls_and_is_resumed_without_paying_twice(
    stack: Stack, bedrock: FakeBedrock
) -> None:
    bedrock.set_latency(1.0, operation="Converse")
    batch_id = f"stopped-{time.time_ns()}"
    # Two concurrent calls in each of ten shards: the batch cannot end before it is stopped.
    data = {"batchId": batch_id, "requests": records(80), "regions": ["us-east-1"]}
    stopped = run(stack, f"{batch_id}-1", data)
    wait_until(lambda: bedrock.calls)
    stack.client("stepfunctions").stop_execution(executionArn=stopped)
    bedrock.set_latency(0.0, operation="Converse")
    wait_until_quiet(bedrock)
    calls_before = len(bedrock.calls)

    resumed = ended(stack, run(stack, f"{batch_id}-2", data))

    assert ended(stack, stopped)["status"] == "ABORTED"
    assert calls_before < 80
    assert json.loads(resumed["output"])["answered"] == 80
    assert Counter(call.prompt for call in bedrock.calls) == {f"Question {index}?": 1 for index in range(80)}


def test_an_event_reports_the_end_of_a_succeeded_a_failed_and_a_stopped_batch(
    stack: Stack, bedrock: FakeBedrock
) -> None:
    states, sqs, events = stack.client("stepfunctions"), stack.client("sqs"), stack.client("events")
    described = stack.client("cloudformation").describe_stacks(StackName="LlmManager")["Stacks"][0]
    (bus,) = (out["OutputValue"] for out in described["Outputs"] if out["OutputKey"] == "EventBusName")
    queue = sqs.create_queue(QueueName="finished")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    pattern = json.dumps({"source": ["llmmanager"], "detail-type": ["Batch Finished"]})
    events.put_rule(Name="finished", EventBusName=bus, EventPattern=pattern)
    events.put_targets(Rule="finished", EventBusName=bus, Targets=[{"Id": "finished", "Arn": arn}])
    name = f"finished-{time.time_ns()}"
    details: dict[str, Any] = {}

    def all_reported() -> bool:
        for message in sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", []):
            detail = json.loads(message["Body"])["detail"]
            details[detail["execution"]] = detail
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return {f"{name}-good", f"{name}-bad", f"{name}-stopped"} <= set(details)

    ended(stack, run(stack, f"{name}-good", {"requests": records(2)}))
    ended(stack, run(stack, f"{name}-bad", {"requests": []}))
    bedrock.set_latency(1.0, operation="Converse")
    states.stop_execution(
        executionArn=run(stack, f"{name}-stopped", {"requests": records(8)}), cause="enough"
    )
    wait_until(all_reported, every=0.1)

    good, bad, stopped = (details[f"{name}-{end}"] for end in ("good", "bad", "stopped"))
    assert (good["status"], good["counts"]["answered"], bad["status"]) == ("succeeded", 2, "failed")
    assert good["results"]["results"].endswith(f"/batches/{name}-good/results.jsonl")
    assert "requests" in bad["reason"]
    assert stopped["status"] == "stopped"
    wait_until_quiet(bedrock)


def max_concurrent_calls(bedrock: FakeBedrock) -> int:
    """Return the maximum number of concurrent calls."""
    calls = bedrock.calls
    return max(sum(other.started_at <= call.started_at < other.ended_at for other in calls) for call in calls)


def test_a_batch_of_lower_priority_makes_half_as_many_concurrent_calls(
    stack: Stack, bedrock: FakeBedrock
) -> None:
    bedrock.set_latency(0.5, operation="Converse")
    data = {"requests": records(8), "regions": ["us-east-1"]}
    answered, concurrent = [], []
    for priority in (0, 1):
        execution = run(stack, f"priority-{priority}-{time.time_ns()}", {**data, "priority": priority})
        answered.append(json.loads(ended(stack, execution)["output"])["answered"])
        concurrent.append(max_concurrent_calls(bedrock))
        bedrock.reset()
        bedrock.set_latency(0.5, operation="Converse")

    assert answered == [8, 8]
    assert concurrent == [2, 1]


def test_a_batch_is_a_step_of_another_state_machine(
    stack: Stack, bedrock: FakeBedrock, tmp_path: Path
) -> None:
    states, iam = stack.client("stepfunctions"), stack.client("iam")
    name = f"nesting-{time.time_ns()}"
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "states.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    execution_arns = stack.batch_machine_arn.replace(":stateMachine:", ":execution:") + ":*"
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": "states:StartExecution",
                "Resource": stack.batch_machine_arn,
            },
            {
                "Effect": "Allow",
                "Action": ["states:DescribeExecution", "states:StopExecution"],
                "Resource": execution_arns,
            },
            {
                "Effect": "Allow",
                "Action": ["events:PutTargets", "events:PutRule", "events:DescribeRule"],
                "Resource": "arn:aws:events:*:*:rule/StepFunctionsGetEventsForStepFunctionsExecutionRule",
            },
        ],
    }
    iam.put_role_policy(RoleName=name, PolicyName="RunBatches", PolicyDocument=json.dumps(policy))
    outer = {
        "StartAt": "RunBatch",
        "States": {
            "RunBatch": {
                "Type": "Task",
                "Resource": "arn:aws:states:::states:startExecution.sync:2",
                "Parameters": {
                    "StateMachineArn": stack.batch_machine_arn,
                    "Input": {
                        "requests.$": "$.requests",
                        "AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID.$": "$$.Execution.Id",
                    },
                },
                "ResultSelector": {"summary.$": "$.Output"},
                "ResultPath": "$.batch",
                "End": True,
            }
        },
    }
    machine = states.create_state_machine(name=name, roleArn=role, definition=json.dumps(outer))
    started = states.start_execution(
        stateMachineArn=machine["stateMachineArn"], input=json.dumps({"requests": records(3)})
    )

    execution = ended(stack, started["executionArn"])

    assert execution["status"] == "SUCCEEDED", execution
    summary = json.loads(execution["output"])["batch"]["summary"]
    assert (summary["status"], summary["answered"]) == ("succeeded", 3)
    assert len(download_results(stack, summary["batchId"], tmp_path).results) == 3
