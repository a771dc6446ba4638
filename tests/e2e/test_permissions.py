"""Every entry point requires its permission. The emulator checks signatures and policies."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from llmmanager.testing import FakeBedrock
from local.deployed_stack import Stack
from local.processes import REGION

pytestmark = pytest.mark.e2e

REQUEST = json.dumps({"messages": [{"role": "user", "content": [{"text": "May I?"}]}]})
DENIED = {"AccessDenied", "AccessDeniedException", "AuthorizationError", "AuthorizationErrorException"}

Client = Callable[[str], Any]
Access = Callable[[Client, dict[str, str]], Any]
# By required permission.
ENTRY_POINTS: dict[str, Access] = {
    "states:StartExecution": lambda client, outputs: client("stepfunctions").start_execution(
        stateMachineArn=outputs["BatchStateMachineArn"], input="{}"
    ),
    "states:StopExecution": lambda client, outputs: client("stepfunctions").stop_execution(
        executionArn=outputs["BatchStateMachineArn"].replace(":stateMachine:", ":execution:") + ":none"
    ),
    "sqs:SendMessage": lambda client, outputs: client("sqs").send_message(
        QueueUrl=outputs["RequestQueueUrl"], MessageBody=REQUEST
    ),
    "sns:Publish": lambda client, outputs: client("sns").publish(
        TopicArn=outputs["RequestTopicArn"], Message=REQUEST
    ),
    "events:PutEvents": lambda client, outputs: client("events").put_events(
        Entries=[
            {
                "EventBusName": outputs["EventBusName"],
                "Source": "caller",
                "DetailType": "LLM Request",
                "Detail": REQUEST,
            }
        ]
    ),
    "lambda:InvokeFunction": lambda client, outputs: client("lambda").invoke(
        FunctionName=outputs["EventsFunctionName"], Payload=REQUEST.encode()
    ),
    "s3:PutObject": lambda client, outputs: client("s3").put_object(
        Bucket=outputs["BatchBucketName"], Key="inbox/caller.txt", Body=b"no batch"
    ),
    "s3:GetObject": lambda client, outputs: client("s3").get_object(
        Bucket=outputs["BatchBucketName"], Key="batches/any/results.jsonl"
    ),
    "dynamodb:GetItem": lambda client, outputs: client("dynamodb").get_item(
        TableName=outputs["TableName"], Key={"pk": {"S": "catalog"}, "sk": {"S": "us-east-1"}}
    ),
}


@pytest.fixture
def outputs(stack: Stack) -> dict[str, str]:
    """The outputs of the stack by name."""
    (described,) = stack.client("cloudformation").describe_stacks(StackName="LlmManager")["Stacks"]
    return {output["OutputKey"]: output["OutputValue"] for output in described["Outputs"]}


@pytest.fixture
def caller(stack: Stack) -> Iterator[Callable[[str], Client]]:
    """Return a function that creates clients of an IAM user with one permission, on all resources."""
    iam = stack.client("iam")
    iam.create_user(UserName="caller")
    key = iam.create_access_key(UserName="caller")["AccessKey"]

    def with_permission(action: str) -> Client:
        statement = {"Effect": "Allow", "Action": action, "Resource": "*"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iam.put_user_policy(UserName="caller", PolicyName="permission", PolicyDocument=policy)
        session = boto3.Session(key["AccessKeyId"], key["SecretAccessKey"], region_name=REGION)
        return lambda service: session.client(
            service,
            endpoint_url=stack.endpoint_url,
            verify=str(stack.certificate),
            config=Config(proxies={}, retries={"total_max_attempts": 1}),
        )

    yield with_permission
    iam.delete_user_policy(UserName="caller", PolicyName="permission")
    iam.delete_access_key(UserName="caller", AccessKeyId=key["AccessKeyId"])
    iam.delete_user(UserName="caller")


def error_code(access: Access, client: Client, outputs: dict[str, str]) -> str | None:
    """Return the code of the error, or None if the call succeeds."""
    try:
        access(client, outputs)
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return None


@pytest.mark.parametrize("action", ENTRY_POINTS)
def test_a_caller_without_the_permission_is_denied(
    action: str,
    outputs: dict[str, str],
    caller: Callable[[str], Client],
    bedrock: FakeBedrock,
) -> None:
    assert error_code(ENTRY_POINTS[action], caller("iam:ListUsers"), outputs) in DENIED
    assert bedrock.calls == ()


@pytest.mark.parametrize("action", ENTRY_POINTS)
def test_a_caller_with_the_permission_is_not_denied(
    action: str, outputs: dict[str, str], caller: Callable[[str], Client]
) -> None:
    # These resources do not exist. A request to an existing one would be processed during the next test.
    elsewhere = {name: f"{value}-elsewhere" for name, value in outputs.items()}
    assert error_code(ENTRY_POINTS[action], caller(action), elsewhere) not in DENIED
