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
    # There was no room for the function. Other batches may take it for hours, and waiting costs nothing.
    {
        "ErrorEquals": ["Lambda.TooManyRequestsException"],
        "IntervalSeconds": 2,
        "BackoffRate": 2,
        "MaxAttempts": 500,
        "MaxDelaySeconds": 120,
        "JitterStrategy": "FULL",
    },
    # Lambda's own passing faults: the function did not run, or nobody knows whether it did.
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
    """A state machine that may invoke the functions it names and write its own log."""

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
            # Not CDK's own to_json_string: jsii loses the nulls, and "ResultPath": null means something.
            definition_body=sfn.DefinitionBody.from_string(json.dumps(definition)),
            role=self.role,
            tracing_enabled=settings.tracing,
            # Inputs and outputs can hold prompts, so the log tells the steps and not the data.
            logs=sfn.LogOptions(
                destination=build_log_group(
                    self, "Logs", settings, log_group_name=vended_log_group_name(self, "states")
                ),
                level=sfn.LogLevel.ALL,
                include_execution_data=False,
            ),
        )
        acknowledge_wildcards(
            self.role, ["*"], because="Delivering a log has no resource to name, and a trace has none"
        )
        if not settings.tracing:
            acknowledge(
                self.machine,
                "AwsSolutions-SF2",
                "Serverless-StepFunctionStateMachineXray",
                because="The setting tracing is off: it costs, and the history and the log tell every step",
            )

    @property
    def arn(self) -> str:
        """The state machine's ARN."""
        return self.machine.state_machine_arn

    @property
    def executions_arn(self) -> str:
        """What matches the ARNs of all executions of this machine, and of no other."""
        return Stack.of(self).format_arn(
            service="states",
            resource="execution",
            resource_name=f"{self.machine.state_machine_name}:*",
            arn_format=ArnFormat.COLON_RESOURCE_NAME,
        )


def service_principal(scope: Construct, service: str) -> iam.PrincipalBase:
    """An AWS service acting for this account: no other account can borrow the role through the service."""
    return iam.ServicePrincipal(
        service, conditions={"StringEquals": {"aws:SourceAccount": Stack.of(scope).account}}
    )
