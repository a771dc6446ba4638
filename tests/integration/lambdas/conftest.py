"""The functions in this process, with FakeBedrock as Bedrock and moto as the other services."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.client import BaseClient
from moto import mock_aws

from lambdas.batch import collect, deadline_risk, interrupted_batch, plan, progress, worker
from llmmanager.testing import FakeBedrock
from tests.deployed_storage import BUCKET, STATE_MACHINE, create_storage, deployed_variables
from tests.dynamodb_server import DynamoDBServer, dynamodb_server

MODELS = ("Nova Lite", "Nova Micro")
REGIONS = ("us-east-1", "us-west-2", "eu-central-1")
# S3's operations by the price that a request has.
GETS = ("GetObject", "HeadObject")
PUTS = ("PutObject", "ListObjectsV2", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload")


@pytest.fixture
def context(make_context: Any) -> Any:
    return make_context()


@pytest.fixture
def deployed(
    fake_bedrock: FakeBedrock, session: boto3.Session, cold_start: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[FakeBedrock]:
    """The stack's environment variables, bucket, tables and state machine. Yields FakeBedrock."""
    for name, value in deployed_variables(MODELS, REGIONS).items():
        monkeypatch.setenv(name, value)
    # The workers of these tests have ended.
    monkeypatch.setattr(interrupted_batch, "QUIET_SECONDS", 0)
    with mock_aws(config={"core": {"passthrough": {"urls": [f"{fake_bedrock.endpoint_url}.*"]}}}):
        monkeypatch.setattr(boto3, "DEFAULT_SESSION", session)
        create_storage(boto3.client("s3"), boto3.client("dynamodb"))
        boto3.client("stepfunctions").create_state_machine(
            name="Batch", definition=json.dumps(_MACHINE), roleArn="arn:aws:iam::123456789012:role/any"
        )
        cold_start()
        yield fake_bedrock
        cold_start()


@pytest.fixture
def short_minute(deployed: FakeBedrock, monkeypatch: pytest.MonkeyPatch) -> FakeBedrock:
    """Quotas whose minute takes half a second."""
    monkeypatch.setenv("LLMMANAGER_QUOTA_WINDOW_SECONDS", "0.5")
    deployed.set_window(0.5)
    return deployed


@pytest.fixture
def run_began(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Lets the runs of batches begin some time ago, and takes their rate over all of this time."""

    def began(**ago: float) -> None:
        started = datetime.now(UTC) - timedelta(**ago)
        monkeypatch.setattr(deadline_risk, "run_started_at", lambda _: started)
        monkeypatch.setattr(progress, "_RATE_WINDOWS", 7_200)

    return began


@pytest.fixture
def operations(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Counts the calls of all clients by operation, in all threads."""
    counted: Counter[str] = Counter()
    call: Any = BaseClient._make_api_call

    def count(client: Any, operation_name: str, *arguments: Any) -> Any:
        counted[operation_name] += 1
        return call(client, operation_name, *arguments)

    monkeypatch.setattr(BaseClient, "_make_api_call", count)
    return counted


@pytest.fixture
def dynamodb() -> Iterator[DynamoDBServer]:
    """A DynamoDB endpoint without tables, for several threads and processes."""
    with dynamodb_server() as server:
        yield server


_MACHINE = {"StartAt": "Plan", "States": {"Plan": {"Type": "Pass", "End": True}}}


class StateMachine:
    """Runs the steps of the state machine one by one."""

    def __init__(self, make_context: Any) -> None:
        self.context = make_context
        self.planned: dict[str, Any] = {}

    def run(self, data: dict[str, Any], *, name: str = "batch-1") -> dict[str, Any]:
        """Run a whole batch and return its summary."""
        for item in self.plan(data, name=name):
            self.run_shard(item)
        return self.collect()

    def plan(
        self, data: dict[str, Any], *, name: str = "batch-1", runs_jobs: bool = False
    ) -> list[dict[str, Any]]:
        """Run the plan and return the shards for the map."""
        execution = f"{STATE_MACHINE.replace(':stateMachine:', ':execution:')}:{name}"
        event = {"executionName": name, "executionId": execution, "input": data, "runsJobs": runs_jobs}
        self.planned = plan.handler(event, self.context())
        return json.loads(self.read(self.planned["manifestKey"])) if "manifestKey" in self.planned else []

    def run_shard(self, item: dict[str, Any], *, seconds: float = 900) -> dict[str, Any]:
        """Run a shard until it is done."""
        done = False
        while not done:
            item = worker.handler(item, self.context(seconds))
            done = item["done"]
        return item

    def collect(self) -> dict[str, Any]:
        return collect.handler(self.planned, self.context())

    def put(self, lines: Iterable[Any], *, key: str = "input/file.jsonl", bucket: str = BUCKET) -> str:
        """Store an input file and return its URI. A line that is bytes is written as it is."""
        body = b"".join(
            line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n" for line in lines
        )
        boto3.client("s3").put_object(Bucket=bucket, Key=key, Body=body)
        return f"s3://{bucket}/{key}"

    def keys(self, prefix: str = "") -> list[str]:
        listed = boto3.client("s3").list_objects_v2(Bucket=BUCKET, Prefix=prefix)
        return [entry["Key"] for entry in listed.get("Contents", ())]

    def read(self, key: str) -> bytes:
        return boto3.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read()

    def lines(self, name: str, *, batch: str = "batch-1") -> list[dict[str, Any]]:
        """Return the lines of a file of the batch."""
        return [json.loads(line) for line in self.read(f"batches/{batch}/{name}").splitlines()]


@pytest.fixture
def machine(deployed: FakeBedrock, make_context: Any) -> StateMachine:
    return StateMachine(make_context)


@pytest.fixture
def records() -> Any:
    """Creates records with different prompts."""

    def make(count: int, *, first: int = 0) -> list[dict[str, Any]]:
        return [
            {
                "recordId": f"record-{number}",
                "modelInput": {
                    "messages": [{"role": "user", "content": [{"text": f"Question {number}?"}]}],
                    "inferenceConfig": {"maxTokens": 50},
                },
            }
            for number in range(first, first + count)
        ]

    return make


@pytest.fixture
def proxy_event() -> Any:
    """Creates the proxy event of a request."""

    def make(method: str, path: str, body: Any = None) -> dict[str, Any]:
        return {
            "httpMethod": method,
            "path": path,
            "headers": {},
            "body": body if body is None or isinstance(body, str) else json.dumps(body),
            "isBase64Encoded": False,
            "requestContext": SimpleNamespace(stage="prod").__dict__,
        }

    return make
