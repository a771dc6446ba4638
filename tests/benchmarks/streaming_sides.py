"""The sides that the benchmark of the streaming API compares."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from lambdas.api_keys.api_key import ApiKey, KeyIdentity
from lambdas.api_keys.key_table import KeyTable
from lambdas.api_keys.key_text import new_key, new_key_id
from tests.benchmarks.fake import Fake
from tests.benchmarks.http_function import KEY_TABLE, REGIONS, ROOT, HttpFunction, table_client
from tests.benchmarks.litellm_proxy import GROUP, KEY, litellm_proxy
from tests.benchmarks.process_usage import Usages, command_of, usages_of, with_descendants
from tests.benchmarks.streaming_client import Boto3Client, Client, HttpClient

MODEL = "Nova Lite"
MODEL_ID = "amazon.nova-lite-v1:0"
# The regions in order, and what LLMManager calls there.
TARGETS = tuple(zip(REGIONS, (MODEL_ID, MODEL_ID, f"eu.{MODEL_ID}"), strict=True))
FUNCTION = "function"
LOCAL_SERVER = "local server"
PROXY = "proxy"


@dataclass(frozen=True)
class Side:
    """A server, or boto3 alone, which answers questions.

    Attributes:
        usage: returns what its processes have used, by their part in it.
    """

    title: str
    client: Client
    usage: Callable[[], Mapping[str, Usages]]


@contextmanager
def llmmanager_side(function: HttpFunction, *, processes: int, folder: Path) -> Iterator[Side]:
    """The deployed function in so many processes, behind the local server.

    Args:
        folder: for the log.
    """
    command = [
        "-m",
        "tests.benchmarks.streaming_process",
        function.asset,
        str(processes),
        folder / "streaming.log",
    ]
    environment = {**function.environment, "PYTHONPATH": str(ROOT)}
    server = subprocess.Popen(
        [sys.executable, *command],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        if not url:
            raise RuntimeError("the server of the streaming API does not start")
        client = HttpClient(url, _add_key(function.table), MODEL)
        yield Side("LLMManager", client, lambda: _usage_of_server(server.pid))
    finally:
        # The server ends its processes when its standard input is closed.
        server.communicate(timeout=60)


@contextmanager
def litellm_side(fake: Fake, *, folder: Path) -> Iterator[Side]:
    """LiteLLM's proxy, with a new folder for its files."""
    with litellm_proxy(fake, TARGETS, folder=folder) as proxy:
        client = HttpClient(proxy.url, KEY, GROUP)
        yield Side("LiteLLM proxy", client, lambda: {PROXY: usages_of(with_descendants(proxy.pid))})


def boto3_side(fake: Fake) -> Side:
    """boto3 in this process, which calls the first region."""
    client: Any = boto3.client(
        "bedrock-runtime",
        endpoint_url=fake.address,
        region_name=REGIONS[0],
        aws_access_key_id="benchmark",
        aws_secret_access_key="benchmark",
        config=Config(max_pool_connections=100),
    )
    return Side("boto3 alone", Boto3Client(client, MODEL_ID), dict)


def _add_key(table: str) -> str:
    """Store an API key and return its text."""
    key = new_key(new_key_id())
    identity = KeyIdentity(
        key_id=key.id, owner="benchmark", team="benchmark", models=None, regions=None, expires=None
    )
    stored = ApiKey(identity=identity, digest=key.digest, created=datetime.now(UTC), created_by="benchmark")
    assert KeyTable(table_client(table), KEY_TABLE).add(stored)
    return key.text


def _usage_of_server(server: int) -> dict[str, Usages]:
    processes = with_descendants(server)
    function = [process for process in processes if _is_function(command_of(process))]
    others = [process for process in processes if process not in function]
    return {FUNCTION: usages_of(function), LOCAL_SERVER: usages_of(others)}


def _is_function(command: str) -> bool:
    # The command of its guard names the wrapper of the runtime, and not the runtime.
    return "lambdas.streaming_runtime" in command
