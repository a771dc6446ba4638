"""Batches that are stopped and started anew, that give way to others, that are a step of a state machine."""

from __future__ import annotations

import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from infra.local.batches import fetch
from infra.local.stack import Stack
from llmmanager.testing import FakeBedrock
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
    """What became of an execution."""
    states = stack.client("stepfunctions")
    wait_until(
        lambda: states.describe_execution(executionArn=arn)["status"] != "RUNNING", "the end", every=0.1
    )
    execution: dict[str, Any] = states.describe_execution(executionArn=arn)
    return execution


def run(stack: Stack, name: str, data: dict[str, Any]) -> str:
    """Start an execution; its ARN."""
    arn: str = stack.client("stepfunctions").start_execution(
        stateMachineArn=stack.batch_machine_arn, name=name, input=json.dumps(data)
    )["executionArn"]
    return arn


def test_a_batch_that_ended_in_the_middle_is_resumed_and_pays_for_no_answer_twice(
    stack: Stack, bedrock: FakeBedrock, tmp_path: Path
) -> None:
    bedrock.set_latency(3.0, operation="Converse")
    batch_id = f"resumed-{time.time_ns()}"
    data = {"batchId": batch_id, "requests": records(20), "regions": ["us-east-1"]}
    first = ended(stack, run(stack, f"{batch_id}-1", {**data, "deadlineSeconds": 8}))
    before = json.loads(first["output"])
    failed = fetch(stack, batch_id, tmp_path / "first").failed
    bedrock.set_latency(0.0, operation="Converse")

    after = json.loads(ended(stack, run(stack, f"{batch_id}-2", data))["output"])

    assert before["status"] == "stopped"
    assert len(failed) == 20 - before["answered"] > 0
    assert {line["error"]["type"] for line in failed} == {"DeadlinePassed"}
    assert (after["status"], after["answered"]) == ("succeeded", 20)
    results = fetch(stack, batch_id, tmp_path / "second").results
    assert sorted(line["recordId"] for line in results) == sorted(r["recordId"] for r in records(20))
    assert Counter(call.prompt for call in bedrock.calls) == {f"Question {index}?": 1 for index in range(20)}


def test_a_batch_that_is_stopped_calls_no_model_any_more_and_is_resumed_without_paying_twice(
    stack: Stack, bedrock: FakeBedrock
) -> None:
    bedrock.set_latency(1.0, operation="Converse")
    batch_id = f"stopped-{time.time_ns()}"
    # Two calls at once in each of some shards: far more than could be answered while the test waits.
    data = {"batchId": batch_id, "requests": records(80), "regions": ["us-east-1"]}
    stopped = run(stack, f"{batch_id}-1", data)
    wait_until(lambda: bedrock.calls)
    stack.client("stepfunctions").stop_execution(executionArn=stopped)
    wait_until_quiet(bedrock)
    asked = len(bedrock.calls)

    resumed = ended(stack, run(stack, f"{batch_id}-2", data))

    assert ended(stack, stopped)["status"] == "ABORTED"
    assert asked < 80
    assert json.loads(resumed["output"])["answered"] == 80
    assert Counter(call.prompt for call in bedrock.calls) == {f"Question {index}?": 1 for index in range(80)}


def test_the_bus_is_told_of_a_batch_that_succeeded_one_that_failed_and_one_that_was_stopped(
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
    told: dict[str, Any] = {}

    def heard() -> bool:
        for message in sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", []):
            detail = json.loads(message["Body"])["detail"]
            told[detail["execution"]] = detail
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return {f"{name}-good", f"{name}-bad", f"{name}-stopped"} <= set(told)

    ended(stack, run(stack, f"{name}-good", {"requests": records(2)}))
    ended(stack, run(stack, f"{name}-bad", {"requests": []}))
    bedrock.set_latency(1.0, operation="Converse")
    states.stop_execution(
        executionArn=run(stack, f"{name}-stopped", {"requests": records(8)}), cause="enough"
    )
    wait_until(heard, every=0.1)

    good, bad, stopped = (told[f"{name}-{end}"] for end in ("good", "bad", "stopped"))
    assert (good["status"], good["counts"]["answered"], bad["status"]) == ("succeeded", 2, "failed")
    assert good["results"]["results"].endswith(f"/batches/{name}-good/results.jsonl")
    assert "requests" in bad["reason"]
    assert stopped["status"] == "stopped"
    wait_until_quiet(bedrock)


def most_at_once(bedrock: FakeBedrock) -> int:
    """How many calls were under way at one moment."""
    calls = bedrock.calls
    return max(sum(other.started_at <= call.started_at < other.ended_at for other in calls) for call in calls)


def test_a_batch_of_a_lower_priority_makes_half_as_many_calls_at_once(
    stack: Stack, bedrock: FakeBedrock
) -> None:
    bedrock.set_latency(0.5, operation="Converse")
    data = {"requests": records(8), "regions": ["us-east-1"]}
    answered, at_once = [], []
    for priority in (0, 1):
        execution = run(stack, f"priority-{priority}-{time.time_ns()}", {**data, "priority": priority})
        answered.append(json.loads(ended(stack, execution)["output"])["answered"])
        at_once.append(most_at_once(bedrock))
        bedrock.reset()
        bedrock.set_latency(0.5, operation="Converse")

    assert answered == [8, 8]
    assert at_once == [2, 1]


def test_another_state_machine_runs_a_batch_as_one_of_its_steps(
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
        "StartAt": "AskTheModels",
        "States": {
            "AskTheModels": {
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
    assert len(fetch(stack, summary["batchId"], tmp_path).results) == 3
