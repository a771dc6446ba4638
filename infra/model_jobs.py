"""Managed batch jobs: the role that Bedrock assumes for them, and who may create and manage them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.model_targets import access_methods, is_in_catalog
from infra.nag import acknowledge_wildcards
from infra.permissions import (
    InvokeModels,
    ModelPolicies,
    Statement,
    model_arn,
    profile_arn,
    substituted,
)
from infra.python_function import PythonFunction
from infra.settings import DeploymentSettings
from lambdas.contract import BatchObject, BucketPrefix, EnvironmentVariable
from llmmanager.bedrock.catalog.catalog_entries import Catalog
from llmmanager.bedrock.catalog.names import ResolvedModel

_SERVICE: Final = "bedrock.amazonaws.com"
_REGION: Final = "${AWS::Region}"
_JOBS: Final = f"arn:${{AWS::Partition}}:bedrock:{_REGION}:${{AWS::AccountId}}:model-invocation-job/*"
_JOB_FILES: Final = f"{BucketPrefix.BATCHES}*/{BatchObject.JOBS}"


class ModelJobs(Construct):
    """The role of the jobs of a stack, and the permissions to manage them.

    Jobs run in the region of the stack, where their files are.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: DeploymentSettings,
        catalog: Catalog,
        bucket: s3.IBucket,
        invoke_models: InvokeModels,
    ) -> None:
        super().__init__(scope, construct_id)
        self._bucket = bucket
        self._create = ModelPolicies(
            self,
            "Create",
            statements=[create_job_statement(settings.models, settings.regions, catalog=catalog)],
            reason="Each job has its own id, and the job of an inference profile can run in other regions",
        )
        self._role = self._build_role()
        invoke_models.grant(self._role)

    def allow_managing(self, function: PythonFunction) -> None:
        """Let the function create jobs of the configured models, and read, find and stop all jobs."""
        self._create.grant(function.role)
        function.allow(
            "bedrock:GetModelInvocationJob",
            "bedrock:StopModelInvocationJob",
            resources=[substituted(_JOBS)],
            reason="Each job has its own id",
        )
        function.allow(
            "bedrock:ListModelInvocationJobs",
            resources=["*"],
            conditions={"StringEquals": {"aws:RequestedRegion": Stack.of(self).region}},
            reason="IAM has no resource type for listing jobs",
        )
        function.allow(
            "iam:PassRole",
            resources=[self._role.role_arn],
            conditions={"StringEquals": {"iam:PassedToService": _SERVICE}},
        )
        function.function.add_environment(EnvironmentVariable.JOB_ROLE_ARN, self._role.role_arn)

    def _build_role(self) -> iam.Role:
        """Build the role with which Bedrock reads the input of a job and writes its output.

        https://docs.aws.amazon.com/bedrock/latest/userguide/batch-iam-sr.html
        """
        account = Stack.of(self).account
        role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal(
                _SERVICE,
                conditions={
                    "StringEquals": {"aws:SourceAccount": account},
                    "ArnLike": {"aws:SourceArn": substituted(_JOBS)},
                },
            ),
        )
        read = self._bucket.arn_for_objects(f"{_JOB_FILES}*/input/*")
        written = self._bucket.arn_for_objects(f"{_JOB_FILES}*/output/*")
        own_account = {"StringEquals": {"aws:ResourceAccount": account}}
        for action, resource in (
            ("s3:GetObject", read),
            ("s3:PutObject", written),
            ("s3:ListBucket", self._bucket.bucket_arn),
        ):
            role.add_to_policy(
                iam.PolicyStatement(actions=[action], resources=[resource], conditions=own_account)
            )
        acknowledge_wildcards(role, [read, written], reason="Each job has its own files")
        return role


def create_job_statement(
    models: Sequence[ResolvedModel], regions: Sequence[str], *, catalog: Catalog
) -> Statement:
    """Return the statement that allows to create jobs of these models in the region of the stack."""
    resources = dict.fromkeys([_JOBS])
    for model in models:
        resources |= dict.fromkeys(_jobs_resources(model, regions, catalog))
    return Statement(tuple(resources), actions=("bedrock:CreateModelInvocationJob",))


def _jobs_resources(model: ResolvedModel, regions: Sequence[str], catalog: Catalog) -> Iterator[str]:
    """Yield the ARNs of the model and of its inference profiles.

    An unknown model has no known price of jobs, so no job is created for it.
    """
    if not is_in_catalog(model, catalog):
        return
    # The job of an inference profile can run the model in another region.
    yield model_arn(model.model_id, "*")
    for access in access_methods(model, regions, catalog=catalog):
        if access.inference_profile_id is not None:
            yield profile_arn(access.inference_profile_id, _REGION)
