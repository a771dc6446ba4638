"""Storage of single requests: the table of idempotency keys, and the files under `requests/`."""

from __future__ import annotations

from aws_cdk import Duration
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.python_function import PythonFunction
from infra.settings import DeploymentSettings
from infra.table import build_table
from lambdas.contract import BucketPrefix, EnvironmentVariable, TableAttribute


def build_request_table(scope: Construct, settings: DeploymentSettings) -> dynamodb.Table:
    """Return the table of idempotency keys, with one item per key."""
    return build_table(scope, "RequestTable", settings=settings, partition_key=TableAttribute.ID)


def expire_requests(bucket: s3.Bucket, settings: DeploymentSettings) -> None:
    """Let the files of single requests expire after `batch_expiry_days`."""
    bucket.add_lifecycle_rule(
        prefix=BucketPrefix.REQUESTS, expiration=Duration.days(settings.batch_expiry_days)
    )


def allow_idempotency(function: PythonFunction, table: dynamodb.ITable, bucket: s3.IBucket) -> None:
    """Let the function run each request once, with its key in the table and a large answer in the bucket."""
    writes = ("dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem")
    function.allow("dynamodb:GetItem", *writes, resources=[table.table_arn])
    function.allow(
        "s3:GetObject",
        "s3:PutObject",
        resources=[bucket.arn_for_objects(f"{BucketPrefix.REQUESTS}*")],
        reason="Each request has its own folder",
    )
    function.function.add_environment(EnvironmentVariable.REQUEST_TABLE, table.table_name)
