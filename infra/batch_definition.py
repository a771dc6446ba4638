"""The batch state machine in Amazon States Language.

Plan ─► any jobs or shards? ─ shards only: Map over shards ─► Collect
  │        ├─ jobs: Map over jobs, and at the same time Map over the other shards
  │        │          └─► PlanRest ─► any shards? ─► as above, for the records that are left
  │        └─ dryRun: the estimates
  └─ fails: the reason

A job:    RunJob ─► done? ─ no: RunJob again, after a wait while Bedrock works
            └─ fails permanently: the rest includes its records
A shard:  RunShard ─► done? ─ no: RunShard again, after a wait while there is no quota
            └─ fails permanently: the shard is lost, the batch continues
"""

from __future__ import annotations

from typing import Any, Final

from infra.state_machine import LAMBDA_RETRIERS
from lambdas.contract import BatchError, BatchStep

JOB_CONCURRENCY: Final = 100
"""The concurrent jobs of a batch. Bedrock's quota of jobs for a model in a region is at most as high."""

State = dict[str, Any]

# The outputs of all children of a map together are limited to 256 KiB, so each is empty.
_EMPTY: Final[State] = {"Type": "Pass", "Result": {}, "End": True}


def batch_definition(
    *, plan: str, worker: str, collect: str, map_concurrency: int, partition: str, job: str | None = None
) -> State:
    """Return the state machine in Amazon States Language.

    Args:
        plan, worker, collect: ARNs of the functions.
        map_concurrency: concurrent shards.
        partition: partition of the stack, such as "aws".
        job: ARN of the function that runs jobs; None if batches cannot use them.
    """
    states = {
        **_plan(plan, runs_jobs=job is not None),
        "AnyShards": _any_shards("RunShards", otherwise="Collect"),
        "Estimated": {"Type": "Succeed"},
        "RunShards": {
            **_map_shards(worker, map_concurrency, partition=partition),
            # The results of the shards are in S3. Collect gets the output of Plan.
            "ResultPath": None,
            "Next": "Collect",
        },
        "Collect": {"Type": "Task", "Resource": collect, "Retry": _retries(attempts=3), "End": True},
    }
    first = [_present(BatchStep.DRY_RUN, "Estimated")]
    if job is not None:
        others = _map_shards(worker, map_concurrency, partition=partition, kind="Other")
        states |= _lanes(job, others, partition=partition)
        first.append(_present(BatchStep.JOB_COUNT, "RunLanes"))
    states["AnyShards"]["Choices"][:0] = first
    return {
        "Comment": "Plans a batch, runs its shards in parallel and collects the results",
        "StartAt": "Plan",
        "States": states,
    }


def _plan(plan: str, *, runs_jobs: bool) -> dict[str, State]:
    return {
        "Plan": {
            "Type": "Task",
            "Resource": plan,
            "Parameters": {
                f"{BatchStep.EXECUTION_NAME}.$": "$$.Execution.Name",
                f"{BatchStep.EXECUTION_ID}.$": "$$.Execution.Id",
                f"{BatchStep.INPUT}.$": "$$.Execution.Input",
                BatchStep.RUNS_JOBS: runs_jobs,
            },
            "Retry": _retries(BatchError.INVALID_BATCH, attempts=1),
            # The input can be any JSON value, so an error replaces it instead of being added to it.
            "Catch": [
                {"ErrorEquals": [BatchError.INVALID_BATCH], "ResultPath": "$", "Next": "ReadReason"},
                {"ErrorEquals": ["States.ALL"], "ResultPath": "$", "Next": "PlanFailed"},
            ],
            "Next": "AnyShards",
        },
        # A function's exception is JSON with a stack trace. The execution fails with its message only.
        "ReadReason": {
            "Type": "Pass",
            "Parameters": {"Error.$": "$.Error", "Cause.$": "States.StringToJson($.Cause)"},
            "Next": "PlanRefused",
        },
        "PlanRefused": {"Type": "Fail", "ErrorPath": "$.Error", "CausePath": "$.Cause.errorMessage"},
        "PlanFailed": {"Type": "Fail", "ErrorPath": "$.Error", "CausePath": "$.Cause"},
    }


def _lanes(job: str, others: State, *, partition: str) -> dict[str, State]:
    """Return the states that run the jobs and the other shards, and then plan the rest of the records.

    The children of the jobs do not run the rest: the rounds of all shards of a job would share one history,
    which is limited to 25,000 events, and `map_concurrency` would not limit their workers.
    """
    return {
        "RunLanes": {
            "Type": "Parallel",
            "Branches": [
                {
                    "StartAt": "AnyOtherShards",
                    "States": {
                        "AnyOtherShards": _any_shards("RunOtherShards", otherwise="NoOtherShards"),
                        "RunOtherShards": {**others, "ResultPath": None, "End": True},
                        "NoOtherShards": dict(_EMPTY),
                    },
                },
                {
                    "StartAt": "RunJobs",
                    "States": {
                        "RunJobs": {**_map_jobs(job, partition=partition), "ResultPath": None, "End": True}
                    },
                },
            ],
            "ResultPath": None,
            "Next": "PlanRest",
        },
        "PlanRest": {"Type": "Task", "Resource": job, "Retry": _retries(attempts=3), "Next": "AnyRest"},
        "AnyRest": _any_shards("RunShards", otherwise="Collect"),
    }


def _any_shards(then: str, *, otherwise: str) -> State:
    some = {"Variable": f"$.{BatchStep.SHARD_COUNT}", "NumericGreaterThan": 0, "Next": then}
    return {"Type": "Choice", "Choices": [some], "Default": otherwise}


def _present(field: str, then: str) -> State:
    return {"Variable": f"$.{field}", "IsPresent": True, "Next": then}


def _map_shards(worker: str, concurrency: int, *, partition: str, kind: str = "") -> State:
    """Return a map over shards.

    Args:
        kind: part of the names of its states, which are unique in the state machine.
    """
    run, done, wait = f"Run{kind}Shard", f"{kind}ShardDone", f"WaitFor{kind}Quota"
    answered, lost = f"{kind}ShardAnswered", f"{kind}ShardLost"
    states: dict[str, State] = {
        run: {
            "Type": "Task",
            "Resource": worker,
            "Retry": _retries(BatchError.NO_PROGRESS, attempts=3),
            "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": lost}],
            "Next": done,
        },
        # While there is no quota, no function runs and there are no state transitions.
        **_until_done(done, wait, again=run, then=answered),
        answered: dict(_EMPTY),
        # The history has the error as its input. Collect reports records without a result.
        lost: dict(_EMPTY),
    }
    return _map(
        f"{kind}Shards",
        BatchStep.MANIFEST_KEY,
        concurrency=concurrency,
        partition=partition,
        start=run,
        states=states,
    )


def _map_jobs(job: str, *, partition: str) -> State:
    states: dict[str, State] = {
        "RunJob": {
            "Type": "Task",
            "Resource": job,
            # A job takes hours, so it outlasts a fault of minutes.
            "Retry": _retries(attempts=20, max_delay_seconds=300),
            "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "JobLost"}],
            "Next": "JobDone",
        },
        **_until_done("JobDone", "WaitForJob", again="RunJob", then="JobEnded"),
        "JobEnded": dict(_EMPTY),
        # The job is stopped when the execution has ended.
        "JobLost": dict(_EMPTY),
    }
    return _map(
        "Jobs",
        BatchStep.JOBS_KEY,
        concurrency=JOB_CONCURRENCY,
        partition=partition,
        start="RunJob",
        states=states,
    )


def _until_done(done: str, wait: str, *, again: str, then: str) -> dict[str, State]:
    """Return the states after a step: the next step, at once or after a wait, until the function is done."""
    return {
        done: {
            "Type": "Choice",
            "Choices": [
                {"Variable": f"$.{BatchStep.DONE}", "BooleanEquals": True, "Next": then},
                _present(BatchStep.WAIT_SECONDS, wait),
            ],
            "Default": again,
        },
        wait: {"Type": "Wait", "SecondsPath": f"$.{BatchStep.WAIT_SECONDS}", "Next": again},
    }


def _map(
    label: str, key: str, *, concurrency: int, partition: str, start: str, states: dict[str, State]
) -> State:
    """Return a map over the items of a file, of which each has an execution of its own."""
    return {
        "Type": "Map",
        "Label": label,
        "ItemReader": {
            "Resource": f"arn:{partition}:states:::s3:getObject",
            "ReaderConfig": {"InputType": "JSON"},
            "Parameters": {"Bucket.$": f"$.{BatchStep.BUCKET}", "Key.$": f"$.{key}"},
        },
        "MaxConcurrency": concurrency,
        # S3 can respond 503 when the file is read. No item has run then.
        "Retry": [
            {
                "ErrorEquals": ["States.ItemReaderFailed"],
                "IntervalSeconds": 2,
                "MaxAttempts": 5,
                "BackoffRate": 2,
                "MaxDelaySeconds": 30,
                "JitterStrategy": "FULL",
            }
        ],
        # A child with an error that Catch does not support must not stop the others.
        "ToleratedFailurePercentage": 100,
        "ItemProcessor": {
            "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
            "StartAt": start,
            "States": states,
        },
    }


def _retries(*final_errors: str, attempts: int, max_delay_seconds: int | None = None) -> list[State]:
    """Return the retriers of a function. All functions can run again with the same input.

    Args:
        final_errors: exceptions that are not retried, because they would be raised again.
        attempts: retries after any other exception.
        max_delay_seconds: the longest time between two attempts; None for no limit.
    """
    final = [{"ErrorEquals": list(final_errors), "MaxAttempts": 0}] if final_errors else []
    others = {
        "ErrorEquals": ["States.ALL"],
        "IntervalSeconds": 1,
        "MaxAttempts": attempts,
        "BackoffRate": 4,
        "JitterStrategy": "FULL",
        **({} if max_delay_seconds is None else {"MaxDelaySeconds": max_delay_seconds}),
    }
    return [*final, *map(dict, LAMBDA_RETRIERS), others]
