"""DynamoDB tables with on-demand capacity, encryption, point-in-time recovery and expiry of items."""

from __future__ import annotations

from aws_cdk import aws_dynamodb as dynamodb
from constructs import Construct

from infra.log_group import removal_policy
from infra.settings import DeploymentSettings
from lambdas.contract import TableAttribute


def build_table(
    scope: Construct,
    construct_id: str,
    *,
    settings: DeploymentSettings,
    partition_key: str,
    sort_key: str | None = None,
) -> dynamodb.Table:
    """Return a table with string keys, which deletes items after their `TableAttribute.EXPIRES_AT`."""
    return dynamodb.Table(
        scope,
        construct_id,
        partition_key=_string(partition_key),
        sort_key=_string(sort_key) if sort_key is not None else None,
        billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
        encryption=dynamodb.TableEncryption.AWS_MANAGED,
        point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
            point_in_time_recovery_enabled=True
        ),
        time_to_live_attribute=TableAttribute.EXPIRES_AT,
        removal_policy=removal_policy(settings),
    )


def _string(name: str) -> dynamodb.Attribute:
    return dynamodb.Attribute(name=name, type=dynamodb.AttributeType.STRING)
