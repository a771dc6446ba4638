"""Log groups, all with the retention that the settings name."""

from __future__ import annotations

from typing import Final

from aws_cdk import Fn, RemovalPolicy, Stack
from aws_cdk import aws_logs as logs
from constructs import Construct

from infra.settings import DeploymentSettings

# CloudWatch Logs lets AWS services write to groups under this prefix with one statement of the account's
# resource policy. Any other name adds a statement for each group, and the policy has 5,120 characters.
_VENDED: Final = "/aws/vendedlogs/"


def build_log_group(
    scope: Construct, construct_id: str, settings: DeploymentSettings, *, log_group_name: str | None = None
) -> logs.LogGroup:
    """Return a log group that belongs to the stack. A group that a service creates is kept for ever.

    Args:
        log_group_name: None lets CloudFormation choose a name that begins with the stack's.
    """
    group = logs.LogGroup(
        scope, construct_id, log_group_name=log_group_name, removal_policy=removal_policy(settings)
    )
    # CDK names each number of days; the settings hold the number itself, already checked.
    resource = group.node.default_child
    assert isinstance(resource, logs.CfnLogGroup)
    resource.retention_in_days = settings.log_retention_days
    return group


def vended_log_group_name(scope: Construct, service: str) -> str:
    """Return a name under `/aws/vendedlogs/` that is unique for the stack and the construct.

    The name ends in the first part of the stack's own id: a stack that is deleted and created again does not
    meet the log groups that the first one left.

    Args:
        scope: the construct whose log it is.
        service: the service that writes, such as "states".
    """
    stack = Stack.of(scope)
    path = "-".join(scope.node.path.split("/")[1:])
    unique = Fn.select(0, Fn.split("-", Fn.select(2, Fn.split("/", stack.stack_id))))
    return f"{_VENDED}{service}/{stack.stack_name}-{path}-{unique}"


def removal_policy(settings: DeploymentSettings) -> RemovalPolicy:
    """Return what happens to a resource that holds data when the stack is deleted.

    A retained resource is still deleted when the deployment that creates it fails: it holds nothing, and
    would have to be deleted by hand.
    """
    if settings.removal_policy == "destroy":
        return RemovalPolicy.DESTROY
    return RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE
