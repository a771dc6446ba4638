"""The state machines, parsed and run by an interpreter of Amazon States Language."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Iterator, Mapping
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from moto import mock_aws
from moto.stepfunctions.parser.asl.component.common.retry import retrier_decl
from moto.stepfunctions.parser.asl.component.state.exec.state_task import lambda_eval_utils
from moto.stepfunctions.parser.asl.parse.asl_parser import AmazonStateLanguageParser

from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
MACHINES = ("BatchMachine", "ModelAccessRefreshMachine")

Function = Callable[[Any], Any]


class FakeLambda:
    """A Lambda client of the interpreter that runs Python functions, by the end of the function's name."""

    def __init__(self, functions: Mapping[str, Function]) -> None:
        self._functions = functions
        self.calls: list[tuple[str, Any]] = []

    def invoke(self, *, FunctionName: str, Payload: bytes, **_: Any) -> dict[str, Any]:
        name = FunctionName.rpartition(":")[2]
        event = json.loads(Payload)
        self.calls.append((name, event))
        try:
            output = self._functions[name](event)
        except Exception as error:
            output = {"errorType": type(error).__name__, "errorMessage": str(error)}
            return {"StatusCode": 200, "FunctionError": "Unhandled", "Payload": body(output)}
        return {"StatusCode": 200, "Payload": body(output)}

    def events(self, name: str) -> list[Any]:
        return [event for called, event in self.calls if called == name]


def body(value: Any) -> BytesIO:
    return BytesIO(json.dumps(value).encode())


def asl(definition: Mapping[str, Any]) -> str:
    """Return the definition as text. The interpreter requires a decimal point in percentages."""
    return json.dumps(definition).replace('Percentage": 100,', 'Percentage": 100.0,')


Run = Callable[..., tuple[dict[str, Any], FakeLambda]]


@pytest.fixture
def run(stack: Any, aws_credentials: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Return a function that runs a state machine and returns the ended execution and the calls of Lambda."""
    # Do not wait between retries.
    monkeypatch.setattr(retrier_decl, "time", SimpleNamespace(sleep=lambda _seconds: None))

    def start(
        machine: str, input_: Any, functions: Mapping[str, Function]
    ) -> tuple[dict[str, Any], FakeLambda]:
        fake = FakeLambda(functions)
        monkeypatch.setattr(lambda_eval_utils, "boto_client_for", lambda **_: fake)
        client = boto3.client("stepfunctions", region_name="us-east-1")
        arn = client.create_state_machine(
            name=machine,
            definition=asl(stack.definition(machine)),
            roleArn="arn:aws:iam::123456789012:role/any",
        )["stateMachineArn"]
        execution = client.start_execution(stateMachineArn=arn, name="batch-1", input=json.dumps(input_))

        def ended() -> dict[str, Any] | None:
            state: dict[str, Any] = client.describe_execution(executionArn=execution["executionArn"])
            return state if state["status"] != "RUNNING" else None

        return wait_until(ended, "the end of the execution"), fake

    with mock_aws(config={"stepfunctions": {"execute_state_machine": True}}):
        yield start


@pytest.mark.parametrize("machine", MACHINES)
def test_the_interpreter_accepts_the_definition(stack: Any, machine: str) -> None:
    program, _ = AmazonStateLanguageParser.parse(asl(stack.definition(machine)))
    assert program is not None


def scopes(definition: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the definition and those of its maps and branches."""
    yield definition
    for state in definition["States"].values():
        for inner in (*state.get("Branches", ()), state.get("ItemProcessor")):
            if inner:
                yield from scopes(inner)


def states(definition: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for scope in scopes(definition):
        yield from scope["States"].items()


@pytest.mark.parametrize("machine", MACHINES)
def test_every_state_is_reachable_and_has_a_next_state_or_ends(stack: Any, machine: str) -> None:
    for scope in scopes(stack.definition(machine)):
        successors = {scope["StartAt"]}
        for name, state in scope["States"].items():
            targets = [state.get("Next"), state.get("Default")]
            targets += [rule["Next"] for rule in (*state.get("Choices", ()), *state.get("Catch", ()))]
            successors |= {target for target in targets if target}
            assert any(targets) or state.get("End") or state["Type"] in ("Fail", "Succeed"), name
        assert successors == set(scope["States"])


def test_the_names_of_states_are_unique_in_the_whole_state_machine(stack: Any) -> None:
    names = [name for name, _ in states(stack.definition("BatchMachine"))]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("machine", MACHINES)
def test_every_function_call_is_retried_after_faults_of_lambda(stack: Any, machine: str) -> None:
    for name, state in states(stack.definition(machine)):
        if state["Type"] != "Task":
            continue
        retried = [error for retrier in state["Retry"] for error in retrier["ErrorEquals"]]
        assert "Lambda.TooManyRequestsException" in retried, name
        # Other batches can use all of the function's concurrency for hours. Other faults end sooner.
        (waits,) = (r for r in state["Retry"] if "Lambda.TooManyRequestsException" in r["ErrorEquals"])
        assert waits["ErrorEquals"] == ["Lambda.TooManyRequestsException"]
        assert waits["MaxAttempts"] * waits["MaxDelaySeconds"] / 2 > 8 * 3600
        # The first retrier that matches an error counts it, so the one for all errors is last.
        assert retried[-1] == "States.ALL"
        assert retried.count("States.ALL") == 1


def test_errors_that_are_not_retried_are_raised_by_the_functions(stack: Any) -> None:
    defined = {
        node.name
        for path in (ROOT / "lambdas" / "batch").glob("*.py")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef)
    }
    final = {
        error
        for _, state in states(stack.definition("BatchMachine"))
        for retrier in state.get("Retry", ())
        if retrier["MaxAttempts"] == 0
        for error in retrier["ErrorEquals"]
    }
    assert final == {"InvalidBatch", "NoProgress"}
    assert final <= defined


def test_the_log_has_steps_without_prompts(stack: Any) -> None:
    for name, machine in stack.of_type("AWS::StepFunctions::StateMachine").items():
        assert machine["LoggingConfiguration"] == {
            "Destinations": [{"CloudWatchLogsLogGroup": {"LogGroupArn": f"<{name}Logs.Arn>"}}],
            "IncludeExecutionData": False,
            "Level": "ALL",
        }


@pytest.mark.parametrize(
    ("name", "key", "concurrency"),
    [
        ("RunShards", "manifestKey", 10),
        ("RunOtherShards", "manifestKey", 10),
        ("RunJobs", "jobsKey", 100),
    ],
)
def test_a_map_is_distributed_and_uses_only_features_of_the_emulator(
    stack: Any, name: str, key: str, concurrency: int
) -> None:
    found = dict(states(stack.definition("BatchMachine")))[name]
    assert found["ItemProcessor"]["ProcessorConfig"] == {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}
    assert found["ItemReader"] == {
        "Resource": "arn:aws:states:::s3:getObject",
        "ReaderConfig": {"InputType": "JSON"},
        "Parameters": {"Bucket.$": "$.bucket", "Key.$": f"$.{key}"},
    }
    assert found["MaxConcurrency"] == concurrency
    # S3 can respond 503 when Step Functions reads the file. No item has run then.
    (retrier,) = found["Retry"]
    assert (retrier["ErrorEquals"], retrier["MaxAttempts"]) == (["States.ItemReaderFailed"], 5)
    assert not {"ItemBatcher", "ResultWriter"} & set(found)


def planned(shards: int) -> Function:
    """Return a plan function that writes a manifest with this many shards."""

    def plan(event: Any) -> Any:
        s3 = boto3.client("s3", region_name="us-east-1")
        s3.create_bucket(Bucket="batches")
        manifest = [{"batchId": "batch-1", "shard": number} for number in range(shards)]
        s3.put_object(Bucket="batches", Key="manifest.json", Body=json.dumps(manifest).encode())
        return {
            "batchId": event["executionName"],
            "bucket": "batches",
            "manifestKey": "manifest.json",
            "shardCount": shards,
        }

    return plan


def batch(worker: Function, *, shards: int = 2) -> dict[str, Function]:
    """Return the functions of a batch without jobs."""
    return {
        "BatchPlanFunction": planned(shards),
        "BatchWorkerFunction": worker,
        "BatchCollectFunction": lambda event: {"collected": event},
    }


def test_a_batch_is_planned_mapped_and_collected(run: Run) -> None:
    ended, calls = run("BatchMachine", {"requests": [1]}, batch(lambda item: {**item, "done": True}))
    assert ended["status"] == "SUCCEEDED"
    assert calls.events("BatchPlanFunction") == [plan_event({"requests": [1]})]
    assert sorted(item["shard"] for item in calls.events("BatchWorkerFunction")) == [0, 1]
    assert json.loads(ended["output"]) == {"collected": {**planned_output(), "shardCount": 2}}


def plan_event(input_: Any) -> dict[str, Any]:
    execution = "arn:aws:states:us-east-1:123456789012:execution:BatchMachine:batch-1"
    return {"executionName": "batch-1", "executionId": execution, "input": input_, "runsJobs": True}


def planned_output() -> dict[str, Any]:
    return {"batchId": "batch-1", "bucket": "batches", "manifestKey": "manifest.json"}


def test_a_worker_that_is_not_done_continues_with_its_output(run: Run) -> None:
    def worker(item: Any) -> Any:
        turn = item.get("turn", 0) + 1
        return {**item, "turn": turn, "done": turn == 3}

    ended, calls = run("BatchMachine", {}, batch(worker, shards=1))
    assert ended["status"] == "SUCCEEDED"
    assert [item.get("turn", 0) for item in calls.events("BatchWorkerFunction")] == [0, 1, 2]


def test_a_worker_without_quota_runs_again_after_a_wait_state(run: Run) -> None:
    def worker(item: Any) -> Any:
        turn = item.get("turn", 0) + 1
        return {"turn": turn, "done": turn == 3, **({"waitSeconds": 0} if turn == 1 else {})}

    ended, calls = run("BatchMachine", {}, batch(worker, shards=1))
    assert ended["status"] == "SUCCEEDED"
    assert [item.get("waitSeconds") for item in calls.events("BatchWorkerFunction")] == [None, 0, None]


def test_a_wait_for_quota_takes_three_transitions(stack: Any) -> None:
    shard = stack.definition("BatchMachine")["States"]["RunShards"]["ItemProcessor"]["States"]
    assert shard["WaitForQuota"] == {"Type": "Wait", "SecondsPath": "$.waitSeconds", "Next": "RunShard"}
    assert {"Variable": "$.waitSeconds", "IsPresent": True, "Next": "WaitForQuota"} in shard["ShardDone"][
        "Choices"
    ]


def test_a_lost_shard_does_not_stop_the_batch(run: Run) -> None:
    class NoProgress(Exception):
        pass

    def worker(item: Any) -> Any:
        if item["shard"] == 0:
            raise NoProgress
        return {**item, "done": True}

    ended, calls = run("BatchMachine", {}, batch(worker, shards=3))
    assert ended["status"] == "SUCCEEDED"
    # NoProgress is not retried.
    assert sorted(item["shard"] for item in calls.events("BatchWorkerFunction")) == [0, 1, 2]
    assert len(calls.events("BatchCollectFunction")) == 1


def test_a_failed_worker_is_retried(run: Run) -> None:
    failures = [RuntimeError("killed"), RuntimeError("killed")]

    def worker(item: Any) -> Any:
        if failures:
            raise failures.pop()
        return {**item, "done": True}

    ended, calls = run("BatchMachine", {}, batch(worker, shards=1))
    assert ended["status"] == "SUCCEEDED"
    assert calls.events("BatchWorkerFunction") == 3 * [{"batchId": "batch-1", "shard": 0}]


def test_a_batch_without_shards_is_collected(run: Run) -> None:
    ended, calls = run("BatchMachine", {}, batch(lambda item: item, shards=0))
    assert ended["status"] == "SUCCEEDED"
    assert calls.events("BatchWorkerFunction") == []
    assert len(calls.events("BatchCollectFunction")) == 1


def batch_with_jobs(
    job: Function, worker: Function, *, others: int = 1, rest: int = 1
) -> dict[str, Function]:
    """Return the functions of a batch with two jobs, and with shards beside and after them."""

    def put(name: str, items: list[Any]) -> str:
        body = json.dumps(items).encode()
        boto3.client("s3", region_name="us-east-1").put_object(Bucket="batches", Key=name, Body=body)
        return name

    def plan(event: Any) -> Any:
        boto3.client("s3", region_name="us-east-1").create_bucket(Bucket="batches")
        return {
            "batchId": "batch-1",
            "bucket": "batches",
            "manifestKey": put("map.json", [{"other": number} for number in range(others)]),
            "shardCount": others,
            "jobsKey": put("jobs.json", [{"job": number} for number in range(2)]),
            "jobCount": 2,
        }

    def run_job(event: Any) -> Any:
        if "job" in event:
            return job(event)
        key = put("rest.json", [{"rest": number} for number in range(rest)])
        return {**event, "manifestKey": key, "shardCount": rest}

    return {
        "BatchPlanFunction": plan,
        "BatchJobFunction": run_job,
        "BatchWorkerFunction": worker,
        "BatchCollectFunction": lambda event: event,
    }


def done(item: Any) -> Any:
    return {**item, "done": True}


def test_the_rest_runs_after_the_jobs_and_the_other_shards(run: Run) -> None:
    ended, calls = run("BatchMachine", {}, batch_with_jobs(done, done, others=2, rest=2))
    assert ended["status"] == "SUCCEEDED"
    ran = [next(iter(event)) for name, event in calls.calls if name != "BatchPlanFunction"]
    assert sorted(ran[:4]) == ["job", "job", "other", "other"]
    assert ran[4:] == ["batchId", "rest", "rest", "batchId"]
    # Collect gets the output of the plan, with the rest as its shards.
    assert json.loads(ended["output"])["manifestKey"] == "rest.json"


@pytest.mark.parametrize(("others", "rest"), [(0, 1), (1, 0), (0, 0)])
def test_a_batch_with_jobs_can_have_no_other_shards_and_no_rest(run: Run, others: int, rest: int) -> None:
    ended, calls = run("BatchMachine", {}, batch_with_jobs(done, done, others=others, rest=rest))
    assert ended["status"] == "SUCCEEDED"
    assert len(calls.events("BatchWorkerFunction")) == others + rest
    assert len(calls.events("BatchCollectFunction")) == 1


def test_a_job_that_is_not_done_continues_with_its_output_after_its_wait(run: Run) -> None:
    def job(item: Any) -> Any:
        turn = item.get("turn", 0) + 1
        waits = {"waitSeconds": 0} if turn == 1 else {}
        return {"job": item["job"], "turn": turn, "done": turn == 3, **waits}

    ended, calls = run("BatchMachine", {}, batch_with_jobs(job, done))
    assert ended["status"] == "SUCCEEDED"
    steps = [event for event in calls.events("BatchJobFunction") if event.get("job") == 0]
    assert [(step.get("turn", 0), step.get("waitSeconds")) for step in steps] == [
        (0, None),
        (1, 0),
        (2, None),
    ]


def test_a_poll_of_a_job_takes_three_transitions(stack: Any) -> None:
    job = dict(states(stack.definition("BatchMachine")))["RunJobs"]["ItemProcessor"]["States"]
    assert job["RunJob"]["Next"] == "JobDone"
    assert {"Variable": "$.waitSeconds", "IsPresent": True, "Next": "WaitForJob"} in job["JobDone"]["Choices"]
    assert job["WaitForJob"] == {"Type": "Wait", "SecondsPath": "$.waitSeconds", "Next": "RunJob"}


def test_the_records_of_a_job_that_fails_permanently_are_in_the_rest(run: Run) -> None:
    def job(item: Any) -> Any:
        if item["job"] == 0:
            raise RuntimeError("no network")
        return done(item)

    ended, calls = run("BatchMachine", {}, batch_with_jobs(job, done))
    assert ended["status"] == "SUCCEEDED"
    # A fault of Bedrock or S3 can last for minutes.
    assert calls.events("BatchJobFunction").count({"job": 0}) == 21
    assert calls.events("BatchWorkerFunction")[-1] == {"rest": 0}


def test_a_dry_run_ends_after_the_plan_with_its_output(run: Run) -> None:
    estimates = {"dryRun": True, "estimates": [{"lane": "managed", "estimatedCostUsd": 1.5}]}
    ended, calls = run("BatchMachine", {"dryRun": True}, {"BatchPlanFunction": lambda _: estimates})
    assert json.loads(ended["output"]) == estimates
    assert len(calls.calls) == 1


def test_without_the_managed_lane_the_state_machine_has_no_jobs(varied: Any) -> None:
    definition = varied.definition("BatchMachine")
    assert definition["States"]["Plan"]["Parameters"]["runsJobs"] is False
    assert {name for name, _ in states(definition) if "Job" in name or "Rest" in name} == set()
    assert "Estimated" in definition["States"]


@pytest.mark.parametrize("given", [{}, [], "text", 7, None])
def test_an_invalid_batch_fails_immediately_with_the_reason(run: Run, given: Any) -> None:
    class InvalidBatch(Exception):
        pass

    def plan(event: Any) -> Any:
        raise InvalidBatch("requests: must be a list")

    ended, calls = run("BatchMachine", given, {"BatchPlanFunction": plan})
    assert ended["status"] == "FAILED"
    assert (ended["error"], ended["cause"]) == ("InvalidBatch", "requests: must be a list")
    assert calls.events("BatchPlanFunction") == [plan_event(given)]


def test_another_failure_of_the_plan_is_retried_and_reported(run: Run) -> None:
    def plan(event: Any) -> Any:
        raise RuntimeError("no memory")

    ended, calls = run("BatchMachine", {}, {"BatchPlanFunction": plan})
    assert (ended["status"], ended["error"]) == ("FAILED", "RuntimeError")
    assert json.loads(ended["cause"]) == {"errorType": "RuntimeError", "errorMessage": "no memory"}
    assert len(calls.events("BatchPlanFunction")) == 2


def refreshed(event: Any) -> Any:
    return {"region": event["region"], "models": 1}


def test_the_configured_regions_are_refreshed(run: Run) -> None:
    ended, _ = run("ModelAccessRefreshMachine", {}, {"ModelAccessRefreshFunction": refreshed})
    assert json.loads(ended["output"]) == [
        {"region": region, "models": 1} for region in ("us-east-1", "us-west-2", "eu-central-1")
    ]


def test_regions_in_the_input_are_refreshed_instead(run: Run) -> None:
    ended, _ = run(
        "ModelAccessRefreshMachine", {"regions": ["us-west-2"]}, {"ModelAccessRefreshFunction": refreshed}
    )
    assert json.loads(ended["output"]) == [{"region": "us-west-2", "models": 1}]


def test_a_failed_region_is_reported_and_does_not_stop_the_others(run: Run) -> None:
    def refresh(event: Any) -> Any:
        if event["region"] == "us-west-2":
            raise RuntimeError("no access")
        return refreshed(event)

    ended, calls = run("ModelAccessRefreshMachine", {}, {"ModelAccessRefreshFunction": refresh})
    assert ended["status"] == "SUCCEEDED"
    first, failed, third = json.loads(ended["output"])
    assert (first["models"], third["models"]) == (1, 1)
    assert failed["region"] == "us-west-2"
    assert failed["error"]["Error"] == "RuntimeError"
    assert "no access" in failed["error"]["Cause"]
    assert calls.events("ModelAccessRefreshFunction").count({"region": "us-west-2"}) == 3
