"""A Standard state machine written in Amazon States Language, with its own role and log group."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from aws_cdk import ArnFormat, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from infra.log_group import build_log_group, vended_log_group_name
from infra.nag import acknowledge, acknowledge_wildcards
from infra.python_function import PythonFunction
from infra.settings import DeploymentSettings

LAMBDA_RETRIERS: Final[Sequence[Mapping[str, Any]]] = (
    # The function is at its concurrency limit. Other batches can use it for hours, and waiting costs nothing.
    {
        "ErrorEquals": ["Lambda.TooManyRequestsException"],
        "IntervalSeconds": 2,
        "BackoffRate": 2,
        "MaxAttempts": 500,
        "MaxDelaySeconds": 120,
        "JitterStrategy": "FULL",
    },
    # Temporary faults of Lambda: the function did not run, or it is unknown whether it ran.
    {
        "ErrorEquals": [
            "Lambda.ClientExecutionTimeoutException",
            "Lambda.ServiceException",
            "Lambda.AWSLambdaException",
            "Lambda.SdkClientException",
        ],
        "IntervalSeconds": 2,
        "BackoffRate": 2,
        "MaxAttempts": 8,
        "MaxDelaySeconds": 60,
        "JitterStrategy": "FULL",
    },
)


class StateMachine(Construct):
    """A state machine that can only invoke its functions and write its own log."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        definition: Mapping[str, Any],
        invokes: Sequence[PythonFunction],
        settings: DeploymentSettings,
    ) -> None:
        super().__init__(scope, construct_id)
        self.role = iam.Role(self, "Role", assumed_by=service_principal(self, "states.amazonaws.com"))
        self.role.add_to_policy(
            iam.PolicyStatement(
                actions=["lambda:InvokeFunction"], resources=[function.arn for function in invokes]
            )
        )
        self.machine = sfn.StateMachine(
            self,
            "Machine",
            # Not Stack.to_json_string: jsii drops null values, and "ResultPath": null has a meaning.
            definition_body=sfn.DefinitionBody.from_string(json.dumps(definition)),
            role=self.role,
            tracing_enabled=settings.tracing,
            # Inputs and outputs can contain prompts, so the log has the steps without data.
            logs=sfn.LogOptions(
                destination=build_log_group(
                    self, "Logs", settings, log_group_name=vended_log_group_name(self, "states")
                ),
                level=sfn.LogLevel.ALL,
                include_execution_data=False,
            ),
        )
        acknowledge_wildcards(
            self.role, ["*"], reason="IAM has no resource type for log deliveries and traces"
        )
        if not settings.tracing:
            acknowledge(
                self.machine,
                "AwsSolutions-SF2",
                "Serverless-StepFunctionStateMachineXray",
                reason="The setting tracing is off: traces cost money, and the log has every step",
            )

    @property
    def arn(self) -> str:
        """The state machine's ARN."""
        return self.machine.state_machine_arn

    @property
    def executions_arn(self) -> str:
        """A pattern for the ARNs of all executions of this state machine."""
        return Stack.of(self).format_arn(
            service="states",
            resource="execution",
            resource_name=f"{self.machine.state_machine_name}:*",
            arn_format=ArnFormat.COLON_RESOURCE_NAME,
        )


def service_principal(scope: Construct, service: str) -> iam.PrincipalBase:
    """Return an AWS service as principal, limited to calls for this account (no confused deputy)."""
    return iam.ServicePrincipal(
        service, conditions={"StringEquals": {"aws:SourceAccount": Stack.of(scope).account}}
    )
