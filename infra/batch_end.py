"""The function that runs when a batch execution ends.

Step Functions reports the end to EventBridge, also for an execution that was stopped or that failed, in which
the state machine itself cannot run another state.
"""

from __future__ import annotations

from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.nag import acknowledge
from infra.python_function import FunctionBase, PythonFunction
from infra.state_machine import StateMachine

_TIMEOUT_SECONDS = 60


class BatchEnd(Construct):
    """Stops the workers of an ended execution, and publishes an event on the stack's event bus."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        base: FunctionBase,
        batches: s3.IBucket,
        prefix: str,
        bus: events.IEventBus,
        machine: StateMachine,
    ) -> None:
        super().__init__(scope, construct_id)
        function = PythonFunction(
            self,
            "Handler",
            base=base,
            handler="lambdas.batch.execution_ended.handler",
            timeout_seconds=_TIMEOUT_SECONDS,
            memory_mb=512,
        )
        reason = "Each batch has one file of each name"
        read = ("manifest.json", "summary.json", "runs/*.json", "ended/*.json", "told/*.json")
        function.allow(
            "s3:GetObject",
            resources=[batches.arn_for_objects(f"{prefix}*/{name}") for name in read],
            reason=reason,
        )
        written = [batches.arn_for_objects(f"{prefix}*/{name}") for name in ("ended/*.json", "told/*.json")]
        function.allow("s3:PutObject", resources=written, reason=reason)
        # The names of the result files contain the number of answers.
        function.allow("s3:ListBucket", resources=[batches.bucket_arn])
        function.allow(
            "states:DescribeExecution",
            resources=[machine.executions_arn],
            reason="Each batch has its own executions",
        )
        function.allow("events:PutEvents", resources=[bus.event_bus_arn])
        rule = events.Rule(
            self,
            "Rule",
            description="Batch executions that have ended",
            event_pattern=events.EventPattern(
                source=["aws.states"],
                detail_type=["Step Functions Execution Status Change"],
                detail={
                    "stateMachineArn": [machine.arn],
                    "status": ["SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"],
                },
            ),
            targets=[targets.LambdaFunction(function.function)],
        )
        acknowledge(
            rule,
            "Serverless-EventBusDLQ",
            reason="EventBridge retries for a day and Lambda twice; the bucket holds the outcome too",
        )
