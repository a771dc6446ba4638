"""Log groups, all kept for as long as the settings say."""

from __future__ import annotations

from aws_cdk import RemovalPolicy
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.settings import DeploymentSettings


def build_log_group(scope: Construct, construct_id: str, settings: DeploymentSettings) -> logs.LogGroup:
    """A log group of the stack's own: one that a service makes for itself is kept for ever."""
    group = logs.LogGroup(scope, construct_id, removal_policy=removal_policy(settings))
    # CDK names each number of days; the settings hold the number itself, already checked.
    resource = group.node.default_child
    assert isinstance(resource, logs.CfnLogGroup)
    resource.retention_in_days = settings.log_retention_days
    return group


def removal_policy(settings: DeploymentSettings) -> RemovalPolicy:
    """What becomes of a resource that holds data when the stack is deleted."""
    return RemovalPolicy.DESTROY if settings.removal_policy == "destroy" else RemovalPolicy.RETAIN
