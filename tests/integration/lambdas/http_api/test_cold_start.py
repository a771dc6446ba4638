"""The modules and clients of an execution environment of the HTTP function after two requests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from llmmanager.testing import FakeBedrock
from tests.dynamodb_server import DynamoDBServer

# Imports that would slow down a cold start. Each happens with the first request that needs it.
DEFERRED = (
    "aws_lambda_powertools.event_handler",
    "aws_lambda_powertools.utilities.idempotency",
    "boto3",
    "lambdas.batch",
    "lambdas.http_api.batches",
    "lambdas.http_api.models",
    "lambdas.shared.json_schema",
    "lambdas.shared.linear_regex",
    "lambdas.shared.response_rules",
    "llmmanager.parallel_llm_manager",
    "multiprocessing",
    "pydantic",
    "re2",
    "s3transfer",
)
# A new interpreter that records the sessions and clients it creates, and answers two requests.
PROBE = """
import json, sys
from types import SimpleNamespace
import botocore.session

created = {"sessions": 0, "clients": []}

class Session(botocore.session.Session):
    def __init__(self, *arguments, **more):
        created["sessions"] += 1
        super().__init__(*arguments, **more)

    def create_client(self, service_name, *arguments, **more):
        created["clients"].append(service_name)
        return super().create_client(service_name, *arguments, **more)

botocore.session.Session = Session
from lambdas.http_api.handler import handler

messages = [{"role": "user", "content": [{"text": "What is the capital of France?"}]}]
event = {"httpMethod": "POST", "path": "/v1/converse", "body": json.dumps({"messages": messages})}
context = SimpleNamespace(
    function_name="f", memory_limit_in_mb=1, invoked_function_arn="arn", aws_request_id="id",
    get_remaining_time_in_millis=lambda: 20_000,
)
statuses = [handler(event, context)["statusCode"] for _ in range(2)]
print()
print(json.dumps({"statuses": statuses, "modules": sorted(sys.modules), **created}))
"""


@dataclass(frozen=True)
class Environment:
    """An execution environment after two requests."""

    statuses: list[int]
    modules: list[str]
    sessions: int
    clients: list[str]


@pytest.fixture
def environment(fake_bedrock: FakeBedrock, dynamodb: DynamoDBServer) -> Environment:
    # The table of the catalog does not exist, so the catalog has only the bundled data.
    dynamodb.create_table("usage")
    settings = {
        "LLMMANAGER_MODELS": json.dumps(["Nova Lite"]),
        "LLMMANAGER_REGIONS": json.dumps(["us-east-1", "us-west-2", "eu-central-1"]),
        "LLMMANAGER_TABLE": "catalog",
        "LLMMANAGER_BUCKET": "batches",
        "LLMMANAGER_USAGE_TABLE": "usage",
        "LLMMANAGER_WORKER_CONCURRENCY": "8",
        "LLMMANAGER_MAP_CONCURRENCY": "10",
        "LLMMANAGER_SHARD_SIZE": "500",
        "AWS_ENDPOINT_URL_DYNAMODB": dynamodb.url,
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "PATH": os.environ["PATH"],
    }
    done = subprocess.run(
        [sys.executable, "-c", PROBE],
        cwd=Path(__file__).resolve().parents[4],
        env={**fake_bedrock.environment, **settings},
        capture_output=True,
        text=True,
        check=True,
    )
    return Environment(**json.loads(done.stdout.splitlines()[-1]))


def test_a_cold_start_loads_and_creates_only_what_a_converse_request_needs(environment: Environment):
    assert environment.statuses == [200, 200]
    assert [name for name in DEFERRED if name in environment.modules] == []
    # One for the tables and one for the first region. The second request creates none.
    assert sorted(environment.clients) == ["bedrock-runtime", "dynamodb"]
    # The session of the functions, and that of the library.
    assert environment.sessions == 2
