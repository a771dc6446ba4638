"""Log groups with the retention and the removal policy of the settings."""

from __future__ import annotations

from typing import Final

from aws_cdk import Fn, RemovalPolicy, Stack
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.settings import DeploymentSettings

# One statement in the account's resource policy lets AWS services write to all log groups under this prefix.
# Any other name needs a statement for each group, and the policy is limited to 5,120 characters.
_VENDED: Final = "/aws/vendedlogs/"


def build_log_group(
    scope: Construct, construct_id: str, settings: DeploymentSettings, *, log_group_name: str | None = None
) -> logs.LogGroup:
    """Return a log group of the stack. (A service that creates its own log group keeps the logs forever.)

    Args:
        log_group_name: None lets CloudFormation generate a name that begins with the stack's name.
    """
    group = logs.LogGroup(
        scope, construct_id, log_group_name=log_group_name, removal_policy=removal_policy(settings)
    )
    # CDK has an enum for the days; the settings hold the validated number.
    resource = group.node.default_child
    assert isinstance(resource, logs.CfnLogGroup)
    resource.retention_in_days = settings.log_retention_days
    return group


def vended_log_group_name(scope: Construct, service: str) -> str:
    """Return a name under `/aws/vendedlogs/` that is unique for the stack and the construct.

    The name ends with the first part of the stack's id. So a stack that is deleted and created again does not
    conflict with the log groups that the first one left.

    Args:
        scope: the construct that the log belongs to.
        service: the service that writes the log, such as "states".
    """
    stack = Stack.of(scope)
    path = "-".join(scope.node.path.split("/")[1:])
    unique = Fn.select(0, Fn.split("-", Fn.select(2, Fn.split("/", stack.stack_id))))
    return f"{_VENDED}{service}/{stack.stack_name}-{path}-{unique}"


def removal_policy(settings: DeploymentSettings) -> RemovalPolicy:
    """Return the removal policy of resources that hold data.

    A retained resource is still deleted when the deployment that creates it fails: it is empty then, and
    would have to be deleted by hand.
    """
    if settings.removal_policy == "destroy":
        return RemovalPolicy.DESTROY
    return RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE
