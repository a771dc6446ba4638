"""The end of a batch's execution: Step Functions reports it to EventBridge, which invokes a function.

It comes in all ways, also those in which the state machine itself can do nothing more: stopped, failed.
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
    """Stops the workers of an execution that has ended, and reports the end on the stack's bus."""

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
            handler="lambdas.batch.finished.handler",
            timeout_seconds=_TIMEOUT_SECONDS,
            memory_mb=512,
        )
        each = "One file of each name a batch"
        read = ("manifest.json", "summary.json", "runs/*.json", "ended/*.json", "told/*.json")
        function.allow(
            "s3:GetObject", on=[batches.arn_for_objects(f"{prefix}*/{name}") for name in read], because=each
        )
        written = [batches.arn_for_objects(f"{prefix}*/{name}") for name in ("ended/*.json", "told/*.json")]
        function.allow("s3:PutObject", on=written, because=each)
        # The number of answers is in the names of the files that hold them.
        function.allow("s3:ListBucket", on=[batches.bucket_arn])
        function.allow(
            "states:DescribeExecution", on=[machine.executions_arn], because="One execution a batch"
        )
        function.allow("events:PutEvents", on=[bus.event_bus_arn])
        rule = events.Rule(
            self,
            "Rule",
            description="Executions of batches that have ended",
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
            because="EventBridge tries for a day, Lambda three times; the outcome is in the bucket as well",
        )
