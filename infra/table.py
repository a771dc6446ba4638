"""A DynamoDB table of this stack: paid by request, encrypted, restorable, forgetting what has expired."""

from __future__ import annotations

from aws_cdk import aws_dynamodb as dynamodb
from constructs import Construct

from infra.log_group import removal_policy
from infra.settings import DeploymentSettings


def build_table(
    scope: Construct,
    construct_id: str,
    *,
    settings: DeploymentSettings,
    partition_key: str,
    sort_key: str | None = None,
) -> dynamodb.Table:
    """A table whose keys are text; an item is forgotten after its `expires_at` (seconds since 1970)."""
    return dynamodb.Table(
        scope,
        construct_id,
        partition_key=_text(partition_key),
        sort_key=_text(sort_key) if sort_key is not None else None,
        billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
        encryption=dynamodb.TableEncryption.AWS_MANAGED,
        point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
            point_in_time_recovery_enabled=True
        ),
        time_to_live_attribute="expires_at",
        removal_policy=removal_policy(settings),
    )


def _text(name: str) -> dynamodb.Attribute:
    return dynamodb.Attribute(name=name, type=dynamodb.AttributeType.STRING)
