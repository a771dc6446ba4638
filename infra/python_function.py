"""One Lambda function: shared code, its own role, its own log group. Every function is made here."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from aws_cdk import Duration
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.lambda_asset import build_asset
from infra.log_group import build_log_group
from infra.nag import acknowledge, acknowledge_wildcards
from infra.settings import DeploymentSettings


@dataclass(frozen=True, kw_only=True)
class FunctionBase:
    """What all functions of a stack have in common.

    Attributes:
        code: the one asset, see `shared_code`.
        environment: variables that every function gets.
    """

    settings: DeploymentSettings
    code: lambda_.Code
    environment: Mapping[str, str] = field(default_factory=dict)


def shared_code() -> lambda_.Code:
    """The asset of all functions, built once; CDK copies it into the cloud assembly."""
    directory = tempfile.mkdtemp(prefix="lambda-asset-")
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    build_asset(Path(directory))
    return lambda_.Code.from_asset(directory)


class PythonFunction(Construct):
    """A function of the shared code that may do nothing but write its own logs until it is allowed more."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        base: FunctionBase,
        handler: str,
        timeout_seconds: int,
        memory_mb: int,
        environment: Mapping[str, str] | None = None,
        reserved_concurrency: int = 0,
    ) -> None:
        super().__init__(scope, construct_id)
        log_group = build_log_group(self, "Logs", base.settings)
        # Without AWSLambdaBasicExecutionRole, which may write to every log group of the account.
        self.role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
        log_group.grant_write(self.role)
        self.function = lambda_.Function(
            self,
            "Function",
            code=base.code,
            handler=handler,
            runtime=lambda_.Runtime.PYTHON_3_13,
            architecture=lambda_.Architecture.ARM_64,
            timeout=Duration.seconds(timeout_seconds),
            memory_size=memory_mb,
            environment={**base.environment, **(environment or {})},
            role=self.role,
            log_group=log_group,
            tracing=lambda_.Tracing.ACTIVE if base.settings.tracing else None,
            # To Lambda, a reserve of 0 would be a function that never runs.
            reserved_concurrent_executions=reserved_concurrency or None,
        )
        self._acknowledge_findings()
        if base.settings.tracing:
            acknowledge_wildcards(self.role, ["*"], because="A trace has no resource to name")
        else:
            acknowledge(self, "Serverless-LambdaTracing", because="The setting tracing is off: it costs")

    @property
    def arn(self) -> str:
        """The function's unqualified ARN."""
        return self.function.function_arn

    def allow(
        self,
        *actions: str,
        on: Sequence[str],
        when: Mapping[str, Mapping[str, object]] | None = None,
        because: str = "",
    ) -> None:
        """Let the function do these actions on these resources, under these conditions if any.

        Args:
            because: why a wildcard among the resources cannot be a name.
        """
        self.role.add_to_policy(
            iam.PolicyStatement(actions=list(actions), resources=list(on), conditions=when)
        )
        if because:
            acknowledge_wildcards(self, on, because=because)

    def _acknowledge_findings(self) -> None:
        acknowledge(
            self,
            "AwsSolutions-L1",
            "Serverless-LambdaLatestVersion",
            because="Python 3.13 is supported until 2029; a newer one waits until the tests run on it",
        )
        acknowledge(
            self,
            "Serverless-LambdaDLQ",
            because="It takes asynchronous invocations: only the end of a batch is one, and stands in S3 too",
        )
