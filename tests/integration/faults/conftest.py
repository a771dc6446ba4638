"""The batch functions with real connections to everything they call, each of which can be made to fail.

Bedrock is FakeBedrock. S3 and DynamoDB are moto behind a server on loopback, so that they can also be reached
by a function in a process of its own, which can be killed.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import pytest
import requests
from moto import mock_aws

from lambdas.batch import collect, plan, worker
from llmmanager.testing import FakeBedrock
from tests.waiting import PATIENCE_SECONDS

ROOT = Path(__file__).parents[3]
MODELS = ("Nova Lite", "Nova Micro")
REGIONS = ("us-east-1", "us-west-2", "eu-central-1")
BUCKET = "batches-of-the-test"
TABLE = "catalog-of-the-test"
USAGE_TABLE = "usage-of-the-test"
WORKER = """
import json, sys
from types import SimpleNamespace
from lambdas.batch.worker import handler
context = SimpleNamespace(
    get_remaining_time_in_millis=lambda: 900_000, function_name="f", memory_limit_in_mb=1024,
    invoked_function_arn="arn:aws:lambda:us-east-1:123456789012:function:f", aws_request_id="r",
)
for item in json.load(sys.stdin):
    while not item.get("done"):
        item = handler(item, context)
"""


@dataclass
class InjectedFault:
    """An error for `count` requests of a method whose path contains a text, or for all requests."""

    service: str
    method: str
    path: str
    status: int
    count: float


class AwsServer:
    """moto's S3 and DynamoDB on loopback."""

    def __init__(self) -> None:
        self.failed: Counter[str] = Counter()
        self._faults: list[InjectedFault] = []
        self._lock = threading.Lock()
        self._dynamodb = threading.Lock()
        aws = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                service = "dynamodb" if "X-Amz-Target" in self.headers else "s3"
                status = aws.injected_status(service, self.command, self.path)
                if status:
                    self.respond(status, {}, b"")
                    return
                # moto's DynamoDB is not atomic under threads.
                with aws._dynamodb if service == "dynamodb" else nullcontext():
                    answer = requests.request(
                        self.command,
                        f"https://{service}.us-east-1.amazonaws.com{self.path}",
                        headers={name: value for name, value in self.headers.items() if name != "Host"},
                        data=body,
                        timeout=PATIENCE_SECONDS,
                        stream=True,
                    )
                content = b"" if self.command == "HEAD" else answer.content
                self.respond(answer.status_code, answer.headers, content)

            do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = answer

            def respond(self, status: int, headers: Any, body: bytes) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    if name.lower() not in ("content-length", "connection", "transfer-encoding", "date"):
                        self.send_header(name, value)
                length = headers.get("Content-Length", 0) if self.command == "HEAD" else len(body)
                self.send_header("Content-Length", str(length))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            def log_message(self, *_args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> AwsServer:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def inject_fault(
        self,
        service: str,
        *,
        method: str = "",
        path: str = "",
        status: int = 503,
        count: float = math.inf,
    ) -> None:
        """Answer `status` to the next `count` requests of a service, of a method, to paths with a text."""
        self._faults.append(InjectedFault(service, method, path, status, count))

    def recover(self) -> None:
        self._faults.clear()

    def injected_status(self, service: str, method: str, path: str) -> int | None:
        with self._lock:
            for fault in self._faults:
                if (
                    fault.service == service
                    and fault.method in ("", method)
                    and fault.path in path
                    and fault.count > 0
                ):
                    fault.count -= 1
                    self.failed[service] += 1
                    return fault.status
        return None


@pytest.fixture
def fake_bedrock() -> Iterator[FakeBedrock]:
    with FakeBedrock(log_limit=100_000) as fake:
        yield fake


@pytest.fixture
def bedrock(fake_bedrock: FakeBedrock) -> FakeBedrock:
    return fake_bedrock


@pytest.fixture
def aws(bedrock: FakeBedrock, cold_start: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[AwsServer]:
    """The deployed stack's environment, bucket and table."""
    with (
        mock_aws(config={"core": {"passthrough": {"urls": [r"http://127\.0\.0\.1.*"]}}}),
        AwsServer() as server,
    ):
        for name, value in {
            **bedrock.environment,
            "AWS_ENDPOINT_URL_S3": server.url,
            "AWS_ENDPOINT_URL_DYNAMODB": server.url,
            "LLMMANAGER_MODELS": json.dumps(MODELS),
            "LLMMANAGER_REGIONS": json.dumps(REGIONS),
            "LLMMANAGER_TABLE": TABLE,
            "LLMMANAGER_USAGE_TABLE": USAGE_TABLE,
            "LLMMANAGER_BUCKET": BUCKET,
            "LLMMANAGER_WORKER_CONCURRENCY": "8",
            "LLMMANAGER_MAP_CONCURRENCY": "10",
            "LLMMANAGER_SHARD_SIZE": "500",
            "POWERTOOLS_LOG_LEVEL": "CRITICAL",
        }.items():
            monkeypatch.setenv(name, value)
        boto3.client("s3").create_bucket(Bucket=BUCKET)
        for table in (TABLE, USAGE_TABLE):
            boto3.client("dynamodb").create_table(
                TableName=table,
                BillingMode="PAY_PER_REQUEST",
                AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
                KeySchema=[
                    {"AttributeName": "pk", "KeyType": "HASH"},
                    {"AttributeName": "sk", "KeyType": "RANGE"},
                ],
            )
        cold_start()
        yield server
        cold_start()


class StateMachine:
    """Runs the functions as the state machine does: with retries, loops, and without a lost shard."""

    def __init__(self, make_context: Any) -> None:
        self._context = make_context
        self.planned: dict[str, Any] = {}

    def run(self, data: dict[str, Any], *, name: str = "batch-1", at_once: int = 3) -> dict[str, Any]:
        """A whole batch, some shards side by side; its summary."""
        items = self.plan(data, name=name)
        with ThreadPoolExecutor(at_once) as pool:
            list(pool.map(self.run_shard, items))
        return self.collect()

    def plan(self, data: dict[str, Any], *, name: str = "batch-1") -> list[dict[str, Any]]:
        self.planned = self._retried(plan.handler, {"executionName": name, "input": data}, attempts=2)
        return json.loads(self.read("manifest.json", batch=self.planned["batchId"]))

    def run_shard(self, item: dict[str, Any]) -> None:
        while not item.get("done"):
            item = self._retried(worker.handler, item, attempts=4)

    def collect(self) -> dict[str, Any]:
        return self._retried(collect.handler, self.planned, attempts=4)

    def start_worker(self, *items: dict[str, Any]) -> subprocess.Popen[bytes]:
        """A worker in a process of its own, which runs shards to their end unless it is killed."""
        process = subprocess.Popen([sys.executable, "-c", WORKER], cwd=ROOT, stdin=subprocess.PIPE)
        assert process.stdin is not None
        process.stdin.write(json.dumps(items).encode())
        process.stdin.close()
        return process

    def parts(self, item: dict[str, Any]) -> list[dict[str, Any]]:
        """The results of a shard that are safe in S3."""
        prefix = f"batches/{item['batchId']}/results/{item['shard']:05d}/"
        listed = boto3.client("s3").list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", ())
        return [line for entry in listed for line in self._lines(entry["Key"])]

    def read(self, name: str, *, batch: str = "batch-1") -> bytes:
        key = f"batches/{batch}/{name}"
        return boto3.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read()

    def lines(self, name: str, *, batch: str = "batch-1") -> list[dict[str, Any]]:
        return self._lines(f"batches/{batch}/{name}")

    def _lines(self, key: str) -> list[dict[str, Any]]:
        body = boto3.client("s3").get_object(Bucket=BUCKET, Key=key)["Body"].read()
        return [json.loads(line) for line in body.splitlines()]

    def _retried(self, function: Any, event: dict[str, Any], *, attempts: int) -> Any:
        for _ in range(attempts - 1):
            try:
                return function(event, self._context())
            except Exception:
                continue
        return function(event, self._context())


@pytest.fixture
def machine(aws: AwsServer, make_context: Any) -> StateMachine:
    return StateMachine(make_context)


@pytest.fixture
def put(aws: AwsServer) -> Any:
    """Writes records as an input file; its URI."""

    def put_records(lines: list[dict[str, Any]], *, key: str = "input/file.jsonl") -> str:
        body = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
        boto3.client("s3").put_object(Bucket=BUCKET, Key=key, Body=body)
        return f"s3://{BUCKET}/{key}"

    return put_records


@pytest.fixture
def records() -> Any:
    """Makes records that ask something different each."""

    def make(count: int) -> list[dict[str, Any]]:
        return [
            {
                "recordId": f"record-{number}",
                "modelInput": {
                    "messages": [{"role": "user", "content": [{"text": f"Question {number}?"}]}],
                    "inferenceConfig": {"maxTokens": 50},
                },
            }
            for number in range(count)
        ]

    return make
