"""A Lambda function of the stack: shared code, its own role and its own log group."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from aws_cdk import Annotations, Duration
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra.byte_code import compile_modules, find_compiler
from infra.lambda_asset import LAMBDA_PYTHON, build_asset, selected_packages
from infra.log_group import build_log_group
from infra.nag import acknowledge, acknowledge_wildcards
from infra.settings import DeploymentSettings


@dataclass(frozen=True, kw_only=True)
class FunctionBase:
    """The properties that all functions of a stack share.

    Attributes:
        settings: the settings of the deployment.
        code: the asset of `shared_code`.
        environment: environment variables of every function.
    """

    settings: DeploymentSettings
    code: lambda_.Code
    environment: Mapping[str, str] = field(default_factory=dict)


def shared_code(scope: Construct) -> lambda_.Code:
    """Build the asset of all functions and return it. CDK copies it into the cloud assembly.

    Args:
        scope: the construct that gets a warning if the asset has no byte code.
    """
    directory = tempfile.mkdtemp(prefix="lambda-asset-")
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    packages = selected_packages()
    build_asset(Path(directory), packages=packages)
    if packages is not None:
        _compile(Path(directory), scope)
    return lambda_.Code.from_asset(directory)


def _compile(directory: Path, scope: Construct) -> None:
    compiler = find_compiler(LAMBDA_PYTHON)
    if compiler is None:
        Annotations.of(scope).add_warning_v2(
            "llmmanager:byte-code",
            f"Python {LAMBDA_PYTHON} was not found on this machine, so the functions have no byte code, and "
            "their cold starts take more than twice as long. To install it: .venv-uv/bin/uv python install "
            f"{LAMBDA_PYTHON}",
        )
        return
    compile_modules(directory, interpreter=compiler)


class PythonFunction(Construct):
    """A function that can only write its own logs, until `allow` grants more permissions."""

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
        # Not AWSLambdaBasicExecutionRole, which grants write access to every log group of the account.
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
            # In Lambda, a reserved concurrency of 0 disables the function.
            reserved_concurrent_executions=reserved_concurrency or None,
        )
        self._acknowledge_findings()
        if base.settings.tracing:
            acknowledge_wildcards(self.role, ["*"], reason="IAM has no resource type for traces")
        else:
            acknowledge(
                self, "Serverless-LambdaTracing", reason="The setting tracing is off: traces cost money"
            )

    @property
    def arn(self) -> str:
        """The function's unqualified ARN."""
        return self.function.function_arn

    def allow(
        self,
        *actions: str,
        resources: Sequence[str],
        conditions: Mapping[str, Mapping[str, object]] | None = None,
        reason: str = "",
    ) -> None:
        """Grant the function these actions.

        Args:
            actions: IAM actions, such as "s3:GetObject".
            resources: ARNs.
            conditions: IAM conditions, by operator and key.
            reason: why a wildcard in the resources is necessary.
        """
        self.role.add_to_policy(
            iam.PolicyStatement(actions=list(actions), resources=list(resources), conditions=conditions)
        )
        if reason:
            acknowledge_wildcards(self, resources, reason=reason)

    def _acknowledge_findings(self) -> None:
        acknowledge(
            self,
            "AwsSolutions-L1",
            "Serverless-LambdaLatestVersion",
            reason="Python 3.13 is supported until 2029; a newer version is used once the tests run on it",
        )
        acknowledge(
            self,
            "Serverless-LambdaDLQ",
            reason="Only the function for the end of a batch is invoked asynchronously; S3 has its result",
        )
