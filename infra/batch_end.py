"""The function that runs when a batch execution ends.

Step Functions reports the end to EventBridge, also for an execution that was stopped or that failed, in which
the state machine itself cannot run another state.
"""

from __future__ import annotations

from typing import Final

from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.model_jobs import ModelJobs
from infra.nag import acknowledge
from infra.python_function import FunctionBase, PythonFunction
from infra.shared_resources import SharedResources
from infra.state_machine import StateMachine
from lambdas.contract import ENDED_STATUSES, BatchObject, BucketPrefix, DetailType, EventSource

# The longest that Lambda allows, because the function merges the results of an interrupted batch.
_TIMEOUT_SECONDS = 900
_REASON: Final = "Each batch has its own files"


class BatchEnd(Construct):
    """Stops the workers and jobs of an ended execution, and publishes an event on the stack's event bus.

    If the execution was interrupted, it writes the results and the report of the batch.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        base: FunctionBase,
        shared: SharedResources,
        machine: StateMachine,
        jobs: ModelJobs | None,
    ) -> None:
        super().__init__(scope, construct_id)
        function = PythonFunction(
            self,
            "Handler",
            base=base,
            handler="lambdas.batch.execution_ended.handler",
            timeout_seconds=_TIMEOUT_SECONDS,
            memory_mb=1024,
        )
        _allow_batch_files(function, shared.bucket)
        if jobs:
            job_files = _objects(shared.bucket, f"{BatchObject.JOBS}*.json")
            function.allow("s3:PutObject", resources=[job_files], reason=_REASON)
            jobs.allow_managing(function)
        function.allow(
            "states:DescribeExecution",
            resources=[machine.executions_arn],
            reason="Each batch has its own executions",
        )
        function.allow("events:PutEvents", resources=[shared.bus.event_bus_arn])
        self._build_rule(function, machine)

    def _build_rule(self, function: PythonFunction, machine: StateMachine) -> None:
        rule = events.Rule(
            self,
            "Rule",
            description="Batch executions that have ended",
            event_pattern=events.EventPattern(
                source=[EventSource.STEP_FUNCTIONS],
                detail_type=[DetailType.EXECUTION_ENDED],
                detail={
                    "stateMachineArn": [machine.arn],
                    "status": list(ENDED_STATUSES),
                },
            ),
            targets=[targets.LambdaFunction(function.function)],
        )
        acknowledge(
            rule,
            "Serverless-EventBusDLQ",
            reason="EventBridge retries for a day and Lambda twice; the bucket holds the outcome too",
        )


def _allow_batch_files(function: PythonFunction, bucket: s3.IBucket) -> None:
    """Let the function read batches, and write their stop signal, their files at the end, and its event."""
    function.allow("s3:GetObject", resources=[_objects(bucket, "*")], reason=_REASON)
    at_end = _objects(bucket, f"{BatchObject.STOP_REASONS}*")
    function.allow("s3:PutObject", "s3:AbortMultipartUpload", resources=[at_end], reason=_REASON)
    end_events = _objects(bucket, f"{BatchObject.END_EVENTS}*.json")
    function.allow("s3:PutObject", resources=[end_events], reason=_REASON)
    # The names of the result files contain the number of answers.
    function.allow("s3:ListBucket", resources=[bucket.bucket_arn])


def _objects(bucket: s3.IBucket, name: str) -> str:
    """Return the ARN pattern of the objects with a name in all batches."""
    return bucket.arn_for_objects(f"{BucketPrefix.BATCHES}*/{name}")
