"""A deployed stack can be upgraded: the names in deployed_names.json stay as they are.

CloudFormation replaces a resource whose logical id changes, and its data is lost. Users have settings keys in
their cdk.json and output names in their scripts. A change that adds such a name adds it to the file too. A
name in the file must not change.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from infra.settings import DEFAULTS

NAMES = json.loads(Path(__file__).with_name("deployed_names.json").read_text("utf-8"))

# Resources that hold data, or that programs, policies and people outside the stack refer to.
STATEFUL = {
    "AWS::ApiGateway::ApiKey",
    "AWS::ApiGateway::RestApi",
    "AWS::ApiGateway::UsagePlan",
    "AWS::ApiGatewayV2::Api",
    "AWS::DynamoDB::Table",
    "AWS::Events::EventBus",
    "AWS::IAM::Role",
    "AWS::KMS::Key",
    "AWS::Lambda::Function",
    "AWS::Logs::LogGroup",
    "AWS::S3::Bucket",
    "AWS::SNS::Topic",
    "AWS::SQS::Queue",
    "AWS::SecretsManager::Secret",
    "AWS::StepFunctions::StateMachine",
}


@pytest.fixture(scope="module")
def complete(synthesise: Any) -> Any:
    """A stack with every optional resource, under the default name."""
    return synthesise(
        api_auth="api_key",
        alarm_email="ops@example.com",
        input_buckets="prompts-a",
        input_keys="arn:aws:kms:eu-west-2:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab",
        reply_queues="arn:aws:sqs:eu-west-2:123456789012:answers",
        tracing=True,
        bedrock_endpoint_url="http://127.0.0.1:8080",
    )


def test_stateful_resources_keep_their_logical_ids(complete: Any) -> None:
    deployed = {
        f"{resource['Type']} {logical_id}"
        for logical_id, resource in complete.template["Resources"].items()
        if resource["Type"] in STATEFUL
    }
    assert_pinned("stateful_resources", deployed)


def test_the_event_bus_keeps_its_name(complete: Any) -> None:
    # Senders of events outside the stack use the name.
    assert complete.of_type("AWS::Events::EventBus")["EventBus"]["Name"] == "LlmManagerEventBus7CB5A38F"


def test_settings_keep_their_keys() -> None:
    assert_pinned("settings", DEFAULTS)


def test_functions_keep_their_environment_variables(complete: Any) -> None:
    functions = complete.of_type("AWS::Lambda::Function").values()
    variables = {name for function in functions for name in function["Environment"]["Variables"]}
    assert_pinned("environment_variables", variables)


def test_the_stack_keeps_its_outputs_and_exports(complete: Any) -> None:
    outputs = complete.template["Outputs"]
    assert_pinned("outputs", outputs)
    assert_pinned("exports", (output["Export"]["Name"] for output in outputs.values() if "Export" in output))


def test_a_stack_keeps_its_logical_ids_when_its_name_or_its_settings_differ(
    complete: Any, stack: Any, varied: Any
) -> None:
    pinned = {entry.split()[1] for entry in NAMES["stateful_resources"]}
    for other in (stack, varied):
        stateful = {
            logical_id
            for logical_id, resource in other.template["Resources"].items()
            if resource["Type"] in STATEFUL
        }
        assert stateful <= pinned


def assert_pinned(kind: str, found: Iterable[str]) -> None:
    names = set(found)
    pinned = set(NAMES[kind])
    assert sorted(pinned - names) == [], f"{kind}: an upgrade of a deployed stack would lose these names"
    assert sorted(names - pinned) == [], f"{kind}: add these new names to tests/infra/deployed_names.json"
