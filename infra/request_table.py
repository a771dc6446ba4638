"""What is remembered of single requests: a table of idempotency keys, and files under `requests/`."""

from __future__ import annotations

from typing import Final

from aws_cdk import Duration
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.python_function import PythonFunction
from infra.settings import DeploymentSettings
from infra.table import build_table

REQUESTS: Final = "requests/"


def build_request_table(scope: Construct, settings: DeploymentSettings) -> dynamodb.Table:
    """The table that idempotency keys are kept in, one item a key."""
    return build_table(scope, "RequestTable", settings=settings, partition_key="id")


def expire_requests(bucket: s3.Bucket, settings: DeploymentSettings) -> None:
    """Let the files of single requests live as long as those of batches."""
    bucket.add_lifecycle_rule(prefix=REQUESTS, expiration=Duration.days(settings.batch_expiry_days))


def allow_remembering(function: PythonFunction, table: dynamodb.ITable, bucket: s3.IBucket) -> None:
    """Let a function run a request once: its key in the table, a large answer in the bucket."""
    changes = ("dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem")
    function.allow("dynamodb:GetItem", *changes, on=[table.table_arn])
    function.allow(
        "s3:GetObject",
        "s3:PutObject",
        on=[bucket.arn_for_objects(f"{REQUESTS}*")],
        because="A folder a request",
    )
    function.function.add_environment("LLMMANAGER_REQUEST_TABLE", table.table_name)
