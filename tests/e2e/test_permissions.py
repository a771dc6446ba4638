"""Who may not come in by a door does not, whichever door: the emulator checks signatures and policies."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from infra.local.processes import REGION
from infra.local.stack import Stack
from llmmanager.testing import FakeBedrock

pytestmark = pytest.mark.e2e

QUESTION = json.dumps({"messages": [{"role": "user", "content": [{"text": "May I?"}]}]})
DENIED = {"AccessDenied", "AccessDeniedException", "AuthorizationError", "AuthorizationErrorException"}

Client = Callable[[str], Any]
Knock = Callable[[Client, dict[str, str]], Any]
# By the permission that each takes.
DOORS: dict[str, Knock] = {
    "states:StartExecution": lambda client, at: client("stepfunctions").start_execution(
        stateMachineArn=at["BatchStateMachineArn"], input="{}"
    ),
    "states:StopExecution": lambda client, at: client("stepfunctions").stop_execution(
        executionArn=at["BatchStateMachineArn"].replace(":stateMachine:", ":execution:") + ":none"
    ),
    "sqs:SendMessage": lambda client, at: client("sqs").send_message(
        QueueUrl=at["RequestQueueUrl"], MessageBody=QUESTION
    ),
    "sns:Publish": lambda client, at: client("sns").publish(TopicArn=at["RequestTopicArn"], Message=QUESTION),
    "events:PutEvents": lambda client, at: client("events").put_events(
        Entries=[
            {
                "EventBusName": at["EventBusName"],
                "Source": "stranger",
                "DetailType": "LLM Request",
                "Detail": QUESTION,
            }
        ]
    ),
    "lambda:InvokeFunction": lambda client, at: client("lambda").invoke(
        FunctionName=at["EventsFunctionName"], Payload=QUESTION.encode()
    ),
    "s3:PutObject": lambda client, at: client("s3").put_object(
        Bucket=at["BatchBucketName"], Key="inbox/stranger.txt", Body=b"no batch"
    ),
    "s3:GetObject": lambda client, at: client("s3").get_object(
        Bucket=at["BatchBucketName"], Key="batches/any/results.jsonl"
    ),
    "dynamodb:GetItem": lambda client, at: client("dynamodb").get_item(
        TableName=at["TableName"], Key={"pk": {"S": "catalog"}, "sk": {"S": "us-east-1"}}
    ),
}


@pytest.fixture
def outputs(stack: Stack) -> dict[str, str]:
    """What the stack tells of itself, by name."""
    (described,) = stack.client("cloudformation").describe_stacks(StackName="LlmManager")["Stacks"]
    return {output["OutputKey"]: output["OutputValue"] for output in described["Outputs"]}


@pytest.fixture
def stranger(stack: Stack) -> Iterator[Callable[[str], Client]]:
    """Makes clients of a user of the account who is allowed one thing, whatever it is done to."""
    iam = stack.client("iam")
    iam.create_user(UserName="stranger")
    key = iam.create_access_key(UserName="stranger")["AccessKey"]

    def allowed(action: str) -> Client:
        statement = {"Effect": "Allow", "Action": action, "Resource": "*"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iam.put_user_policy(UserName="stranger", PolicyName="one-thing", PolicyDocument=policy)
        session = boto3.Session(key["AccessKeyId"], key["SecretAccessKey"], region_name=REGION)
        return lambda service: session.client(
            service,
            endpoint_url=stack.endpoint_url,
            verify=str(stack.certificate),
            config=Config(proxies={}, retries={"total_max_attempts": 1}),
        )

    yield allowed
    iam.delete_user_policy(UserName="stranger", PolicyName="one-thing")
    iam.delete_access_key(UserName="stranger", AccessKeyId=key["AccessKeyId"])
    iam.delete_user(UserName="stranger")


def refusal(knock: Knock, client: Client, outputs: dict[str, str]) -> str | None:
    """The code of the error that was answered, if one was."""
    try:
        knock(client, outputs)
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return None


@pytest.mark.parametrize("action", DOORS)
def test_a_stranger_without_the_permission_is_turned_away(
    action: str,
    outputs: dict[str, str],
    stranger: Callable[[str], Client],
    bedrock: FakeBedrock,
) -> None:
    assert refusal(DOORS[action], stranger("iam:ListUsers"), outputs) in DENIED
    assert bedrock.calls == ()


@pytest.mark.parametrize("action", DOORS)
def test_it_is_the_permission_that_lets_in(
    action: str, outputs: dict[str, str], stranger: Callable[[str], Client]
) -> None:
    # To a place that does not exist: what came through would be worked at beside the next test.
    elsewhere = {name: f"{value}-elsewhere" for name, value in outputs.items()}
    assert refusal(DOORS[action], stranger(action), elsewhere) not in DENIED
