"""Two stacks in one account and region, such as dev and prod, share no resource names."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

# The property with the name of a resource, by type. In other types, it refers to another resource.
NAMES = {
    "AWS::ApiGateway::ApiKey": "Name",
    "AWS::ApiGateway::RestApi": "Name",
    "AWS::ApiGateway::UsagePlan": "UsagePlanName",
    "AWS::CloudWatch::Alarm": "AlarmName",
    "AWS::CloudWatch::Dashboard": "DashboardName",
    "AWS::DynamoDB::Table": "TableName",
    "AWS::Events::EventBus": "Name",
    "AWS::Events::Rule": "Name",
    "AWS::IAM::ManagedPolicy": "ManagedPolicyName",
    "AWS::IAM::Role": "RoleName",
    "AWS::Lambda::Function": "FunctionName",
    "AWS::Logs::LogGroup": "LogGroupName",
    "AWS::S3::Bucket": "BucketName",
    "AWS::SNS::Topic": "TopicName",
    "AWS::SQS::Queue": "QueueName",
    "AWS::Scheduler::Schedule": "Name",
    "AWS::StepFunctions::StateMachine": "StateMachineName",
}
# CloudFormation generates the names of these types, with the stack's name as a prefix.
UNNAMED = {
    "AWS::ApiGateway::Account",
    "AWS::ApiGateway::Authorizer",
    "AWS::ApiGateway::Deployment",
    "AWS::ApiGateway::GatewayResponse",
    "AWS::ApiGateway::Method",
    "AWS::ApiGateway::Resource",
    "AWS::ApiGateway::Stage",
    "AWS::ApiGateway::UsagePlanKey",
    "AWS::IAM::Policy",
    "AWS::Lambda::EventSourceMapping",
    "AWS::Lambda::Permission",
    "AWS::S3::BucketPolicy",
    "AWS::SNS::Subscription",
    "AWS::SNS::TopicPolicy",
    "AWS::SQS::QueuePolicy",
}


@pytest.fixture(scope="module")
def stacks(synthesise: Any) -> tuple[Any, Any]:
    """Two stacks whose settings differ only in stack_name."""
    same = {"alarm_email": "ops@example.com", "api_auth": "api_key"}
    return synthesise(**same), synthesise(stack_name="LlmManager-dev", **same)


def test_the_stacks_share_no_resource_name(stacks: tuple[Any, Any]) -> None:
    first, second = ({(kind, name) for kind, name in names(stack)} for stack in stacks)
    assert {kind for kind, _ in first} >= {"AWS::ApiGateway::RestApi", "AWS::Events::EventBus"}
    assert first & second == set()


def test_every_resource_type_is_listed_as_named_or_unnamed(stacks: tuple[Any, Any]) -> None:
    types = {resource["Type"] for resource in stacks[0].resources.values()}
    assert types - NAMES.keys() <= UNNAMED


def test_an_alarm_watches_only_metrics_of_its_own_stack(stacks: tuple[Any, Any]) -> None:
    first, second = (set(map(json.dumps, watched(stack))) for stack in stacks)
    shared = [json.loads(metric) for metric in first & second]
    # A reference leads to a resource of the same stack.
    assert [metric for metric in shared if not any("<" in str(dimension) for dimension in metric)] == []


def test_the_stacks_have_no_exports(stacks: tuple[Any, Any]) -> None:
    for stack in stacks:
        assert not any("Export" in output for output in stack.template["Outputs"].values())


def names(stack: Any) -> Iterator[tuple[str, str]]:
    """Yield the type and the name of each named resource."""
    for resource in stack.resources.values():
        name = resource.get("Properties", {}).get(NAMES.get(resource["Type"], ""))
        if name is not None:
            yield resource["Type"], name


def watched(stack: Any) -> Iterator[list[Any]]:
    """Yield the namespace and the dimensions of each metric that an alarm watches."""
    for alarm in stack.of_type("AWS::CloudWatch::Alarm").values():
        metrics = [
            query["MetricStat"]["Metric"] for query in alarm.get("Metrics", ()) if "MetricStat" in query
        ]
        for metric in metrics or [alarm]:
            yield [metric["Namespace"], *sorted(d["Value"] for d in metric.get("Dimensions", ()))]
