"""What is remembered of single requests: a table of idempotency keys, and files under `requests/`."""

from __future__ import annotations

from typing import Final

from aws_cdk import Duration
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.log_group import removal_policy
from infra.python_function import PythonFunction
from infra.settings import DeploymentSettings

REQUESTS: Final = "requests/"


def build_request_table(scope: Construct, settings: DeploymentSettings) -> dynamodb.Table:
    """The table that idempotency keys are kept in, one item a key."""
    return dynamodb.Table(
        scope,
        "RequestTable",
        partition_key=dynamodb.Attribute(name="id", type=dynamodb.AttributeType.STRING),
        billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
        encryption=dynamodb.TableEncryption.AWS_MANAGED,
        point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
            point_in_time_recovery_enabled=True
        ),
        time_to_live_attribute="expires_at",
        removal_policy=removal_policy(settings),
    )


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
