"""The HTTP function as it is deployed: its asset, and what it calls in processes of their own on loopback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from infra.byte_code import compile_modules
from infra.lambda_asset import build_asset
from lambdas.usage.budget import NANO_PER_USD
from llmmanager.bedrock.catalog.dynamodb_store import DynamoDBStore
from llmmanager.bedrock.catalog.snapshot import load_snapshot
from tests.benchmarks.fake import Fake, fake_bedrock

ROOT = Path(__file__).resolve().parents[2]
MODELS = ["Nova Lite", "Nova Micro", "Claude Haiku 4.5"]
REGIONS = ["us-east-1", "us-west-2", "eu-central-1"]
TABLE = "catalog"
KEY_TABLE = "keys"
USAGE_TABLE = "usage"
BUDGETED_CALLER = "arn:aws:iam::123456789012:user/budgeted"


@dataclass(frozen=True)
class HttpFunction:
    """What it takes to run the function.

    Attributes:
        asset: the folder that Lambda would unpack, with byte code for this Python.
        bedrock: the Bedrock that it calls.
        table: address of the table that it reads the catalog from.
        byte_code: where compiled modules of other folders are kept.
    """

    asset: Path
    bedrock: Fake
    table: str
    byte_code: Path

    @property
    def environment(self) -> dict[str, str]:
        """What a process of the function has, and nothing else."""
        return {
            **self.bedrock.environment,
            "PATH": os.environ["PATH"],
            "AWS_REGION": REGIONS[0],
            "AWS_ENDPOINT_URL_DYNAMODB": self.table,
            "LLMMANAGER_MODELS": json.dumps(MODELS),
            "LLMMANAGER_REGIONS": json.dumps(REGIONS),
            "LLMMANAGER_TABLE": TABLE,
            "LLMMANAGER_KEY_TABLE": KEY_TABLE,
            "LLMMANAGER_USAGE_TABLE": USAGE_TABLE,
            "LLMMANAGER_BUCKET": "benchmark",
            "LLMMANAGER_INPUT_BUCKETS": "[]",
            "LLMMANAGER_WORKER_CONCURRENCY": "8",
            "LLMMANAGER_MAP_CONCURRENCY": "10",
            "LLMMANAGER_SHARD_SIZE": "500",
            "LLMMANAGER_LOG_PAYLOADS": "false",
        }

    def command(self, *arguments: str, folder: Path | None = None, compiled: bool = True) -> list[str]:
        """`lambda_process.py` with these arguments.

        Args:
            folder: what modules are imported from; the asset if not given.
            compiled: with byte code. Without it, every start compiles what it imports.
        """
        # The folder for byte code replaces the byte code beside the modules.
        kept = ["-X", f"pycache_prefix={self.byte_code}"]
        none = ["-B", "-X", f"pycache_prefix={self.byte_code / 'none'}"]
        options = (kept if folder else ["-B"]) if compiled else none
        isolated = ["-I", "-S", *options]
        script = str(Path(__file__).with_name("lambda_process.py"))
        return [sys.executable, *isolated, script, str(folder or self.asset), *arguments]

    def run(self, *arguments: str, folder: Path | None = None, compiled: bool = True) -> list[Any]:
        """What it writes, when it has ended."""
        done = subprocess.run(
            self.command(*arguments, folder=folder, compiled=compiled),
            env=self.environment,
            stdout=subprocess.PIPE,
            check=True,
            timeout=300,
        )
        return [json.loads(line) for line in done.stdout.splitlines()]

    def table_calls(self) -> dict[str, int]:
        """How often each operation was called on the table."""
        with urllib.request.urlopen(self.table, timeout=10) as answer:
            calls: dict[str, int] = json.load(answer)
        return calls


@contextmanager
def http_function() -> Iterator[HttpFunction]:
    """The function beside a Bedrock, and a table that holds a catalog."""
    with tempfile.TemporaryDirectory() as folder, fake_bedrock() as bedrock, _table() as table:
        function = HttpFunction(Path(folder, "asset"), bedrock, table, Path(folder, "byte-code"))
        build_asset(function.asset, packages=None)
        compile_modules(function.asset, interpreter=Path(sys.executable))
        _fill(table)
        yield function


@contextmanager
def _table() -> Iterator[str]:
    """Address of an empty table."""
    command = [sys.executable, "-m", "tests.benchmarks.fake_table"]
    server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        yield server.stdout.readline().strip()
    finally:
        server.terminate()
        server.wait()


def table_client(table: str) -> Any:
    """Return a DynamoDB client for the address of the table."""
    import boto3

    return boto3.client(
        "dynamodb",
        endpoint_url=table,
        region_name=REGIONS[0],
        aws_access_key_id="benchmark",
        aws_secret_access_key="benchmark",
    )


def _fill(table: str) -> None:
    """Write the catalog as a refresh would, and a large budget of one caller."""
    store, snapshot = DynamoDBStore(TABLE, client=table_client(table)), load_snapshot()
    for region in REGIONS:
        store.save(replace(snapshot[region], refreshed_at=datetime.now(UTC)))
    item = {
        "pk": {"S": "budgets"},
        "sk": {"S": f"caller:{BUDGETED_CALLER}"},
        "month": {"N": str(1_000_000 * NANO_PER_USD)},
        "updated": {"S": "2026-12-01T00:00:00.000Z"},
        "updated_by": {"S": "benchmark"},
    }
    table_client(table).put_item(TableName=USAGE_TABLE, Item=item)
