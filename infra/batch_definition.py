"""The batch state machine in Amazon States Language.

Plan ─► any shards? ─► Map over shards ─► Collect
  │                       │
  └─ fails: the reason    └─ RunShard ─► done? ─ no: RunShard again, after a wait while there is no quota
                                └─ fails permanently: the shard is lost, the batch continues
"""

from __future__ import annotations

from typing import Any

from infra.state_machine import LAMBDA_RETRIERS
from lambdas.contract import BatchError, BatchStep


def batch_definition(
    *, plan: str, worker: str, collect: str, map_concurrency: int, partition: str
) -> dict[str, Any]:
    """Return the state machine in Amazon States Language.

    Args:
        plan, worker, collect: ARNs of the functions.
        map_concurrency: concurrent shards.
        partition: partition of the stack, such as "aws".
    """
    return {
        "Comment": "Plans a batch, runs its shards in parallel and collects the results",
        "StartAt": "Plan",
        "States": {
            "Plan": {
                "Type": "Task",
                "Resource": plan,
                "Parameters": {
                    f"{BatchStep.EXECUTION_NAME}.$": "$$.Execution.Name",
                    f"{BatchStep.EXECUTION_ID}.$": "$$.Execution.Id",
                    f"{BatchStep.INPUT}.$": "$$.Execution.Input",
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
            "AnyShards": {
                "Type": "Choice",
                "Choices": [
                    {
                        "Variable": f"$.{BatchStep.SHARD_COUNT}",
                        "NumericGreaterThan": 0,
                        "Next": "RunShards",
                    }
                ],
                "Default": "Collect",
            },
            "RunShards": _run_shards(worker, map_concurrency, partition=partition),
            "Collect": {
                "Type": "Task",
                "Resource": collect,
                "Retry": _retries(attempts=3),
                "End": True,
            },
        },
    }


def _run_shards(worker: str, map_concurrency: int, *, partition: str) -> dict[str, Any]:
    return {
        "Type": "Map",
        "Label": "Shards",
        "ItemReader": {
            "Resource": f"arn:{partition}:states:::s3:getObject",
            "ReaderConfig": {"InputType": "JSON"},
            "Parameters": {"Bucket.$": f"$.{BatchStep.BUCKET}", "Key.$": f"$.{BatchStep.MANIFEST_KEY}"},
        },
        "MaxConcurrency": map_concurrency,
        # S3 can respond 503 when the manifest is read. No shard has run then.
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
        "ItemProcessor": _run_shard(worker),
        # The results of the shards are in S3. Collect gets the output of Plan.
        "ResultPath": None,
        "Next": "Collect",
    }


def _run_shard(worker: str) -> dict[str, Any]:
    # The outputs of all children together are limited to 256 KiB, so each is empty.
    empty = {"Type": "Pass", "Result": {}, "End": True}
    return {
        "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
        "StartAt": "RunShard",
        "States": {
            "RunShard": {
                "Type": "Task",
                "Resource": worker,
                "Retry": _retries(BatchError.NO_PROGRESS, attempts=3),
                "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "ShardLost"}],
                "Next": "ShardDone",
            },
            "ShardDone": {
                "Type": "Choice",
                "Choices": [
                    {"Variable": f"$.{BatchStep.DONE}", "BooleanEquals": True, "Next": "ShardAnswered"},
                    {"Variable": f"$.{BatchStep.WAIT_SECONDS}", "IsPresent": True, "Next": "WaitForQuota"},
                ],
                "Default": "RunShard",
            },
            # While there is no quota, no function runs and there are no state transitions.
            "WaitForQuota": {
                "Type": "Wait",
                "SecondsPath": f"$.{BatchStep.WAIT_SECONDS}",
                "Next": "RunShard",
            },
            "ShardAnswered": empty,
            # The history has the error as its input. Collect reports records without a result.
            "ShardLost": empty,
        },
    }


def _retries(*final_errors: str, attempts: int) -> list[dict[str, Any]]:
    """Return the retriers of a function. All functions can run again with the same input.

    Args:
        final_errors: exceptions that are not retried, because they would be raised again.
        attempts: retries after any other exception.
    """
    final = [{"ErrorEquals": list(final_errors), "MaxAttempts": 0}] if final_errors else []
    others = {
        "ErrorEquals": ["States.ALL"],
        "IntervalSeconds": 1,
        "MaxAttempts": attempts,
        "BackoffRate": 4,
        "JitterStrategy": "FULL",
    }
    return [*final, *map(dict, LAMBDA_RETRIERS), others]
