"""`make bench`: what LLMManager costs beside bare boto3, as ratios taken in one run.

FakeBedrock runs in a process of its own. Each figure is the median over rounds in which both sides take
turns, so that a machine that slows down slows down both.
"""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

MODEL_NAME, MODEL_ID = "Nova Lite", "amazon.nova-lite-v1:0"
REGIONS = ["us-east-1", "us-west-2", "us-east-2"]
MESSAGES = [{"role": "user", "content": [{"text": "What is the capital of France?"}]}]
ROUNDS = 9
CALLS = 100
PARALLEL_REQUESTS, CONCURRENCY = 200, 50


@dataclass(frozen=True)
class Row:
    """One line of the table: seconds of ours and of bare boto3."""

    what: str
    ours: float
    boto3: float


def main() -> None:
    """Measure and print."""
    with fake_bedrock() as address:
        os.environ.update(
            AWS_ENDPOINT_URL_BEDROCK_RUNTIME=address,
            AWS_ENDPOINT_URL_BEDROCK=address,
            AWS_ACCESS_KEY_ID="benchmark",
            AWS_SECRET_ACCESS_KEY="benchmark",
            AWS_EC2_METADATA_DISABLED="true",
        )
        rows = [importing(), first_answer(), *single_calls(), parallel_calls()]
    print(f"Python {platform.python_version()}, boto3 {version('boto3')}, {os.cpu_count()} CPUs")
    print(f"{'':44}{'LLMManager':>12}{'boto3':>12}{'ratio':>8}")
    for row in rows:
        print(
            f"{row.what:44}{row.ours * 1000:>9.2f} ms{row.boto3 * 1000:>9.2f} ms{row.ours / row.boto3:>8.2f}"
        )


@contextmanager
def fake_bedrock() -> Iterator[str]:
    """Address of a FakeBedrock in another process."""
    command = [sys.executable, "-m", "llmmanager.testing", "--port", "0", "--quiet"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        yield server.stdout.readline().split()[-1]
    finally:
        server.terminate()
        server.wait()


def timed(work: Callable[[], object]) -> float:
    """Seconds that `work` takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def paired(what: str, ours: Callable[[], object], boto3: Callable[[], object], per: int = 1) -> Row:
    """Both sides in turn; the median of each."""
    rounds = [(timed(ours), timed(boto3)) for _ in range(ROUNDS)]
    return Row(
        what,
        statistics.median(mine for mine, _ in rounds) / per,
        statistics.median(theirs for _, theirs in rounds) / per,
    )


def python(code: str) -> Callable[[], object]:
    """A fresh interpreter that runs `code`."""
    return lambda: subprocess.run([sys.executable, "-c", code], check=True)


def importing() -> Row:
    """A fresh interpreter's import, less the interpreter's own start."""
    start = statistics.median(timed(python("pass")) for _ in range(ROUNDS))
    row = paired("import", python("import llmmanager"), python("import boto3"))
    return Row(row.what, max(row.ours - start, 0.0), row.boto3 - start)


def first_answer() -> Row:
    """From nothing to an answer: import, three regions, one call."""
    ours = f"""
from llmmanager import LLMManager
LLMManager([{MODEL_NAME!r}], {REGIONS!r}).converse({MESSAGES!r})
"""
    boto3 = f"""
import boto3
from botocore.config import Config
session = boto3.Session()
clients = [session.client("bedrock-runtime", region_name=r) for r in {REGIONS!r}]
clients[0].converse(modelId={MODEL_ID!r}, messages={MESSAGES!r})
"""
    return paired("cold: import, three regions, first answer", python(ours), python(boto3))


def single_calls() -> list[Row]:
    """One converse() and one converse_stream() at a time, warm."""
    from llmmanager import LLMManager

    manager = LLMManager([MODEL_NAME], REGIONS)
    client = boto3_client()

    def repeat(call: Callable[[], object]) -> Callable[[], object]:
        call()
        return lambda: [call() for _ in range(CALLS)]

    return [
        paired(
            "one converse()",
            repeat(lambda: manager.converse(MESSAGES)),
            repeat(lambda: client.converse(modelId=MODEL_ID, messages=MESSAGES)),
            CALLS,
        ),
        paired(
            "one converse_stream(), to its end",
            repeat(lambda: list(manager.converse_stream(MESSAGES))),
            repeat(lambda: list(client.converse_stream(modelId=MODEL_ID, messages=MESSAGES)["stream"])),
            CALLS,
        ),
    ]


def parallel_calls() -> Row:
    """Many requests over three regions against a thread pool on one client."""
    from llmmanager import BedrockConverseRequest, ParallelLLMManager, ParallelProcessingConfig

    config = ParallelProcessingConfig(max_concurrent_requests=CONCURRENCY)
    manager = ParallelLLMManager([MODEL_NAME], REGIONS, parallel_config=config)
    requests = [BedrockConverseRequest(messages=MESSAGES) for _ in range(PARALLEL_REQUESTS)]
    client = boto3_client()
    pool = ThreadPoolExecutor(CONCURRENCY)

    def by_hand() -> list[Any]:
        return list(
            pool.map(lambda _: client.converse(modelId=MODEL_ID, messages=MESSAGES), range(PARALLEL_REQUESTS))
        )

    manager.converse_parallel(requests)
    by_hand()
    what = f"{PARALLEL_REQUESTS} requests, {CONCURRENCY} at a time"
    return paired(what, lambda: manager.converse_parallel(requests), by_hand)


def boto3_client() -> Any:
    """What a user would make by hand."""
    import boto3
    from botocore.config import Config

    config = Config(max_pool_connections=CONCURRENCY)
    return boto3.client("bedrock-runtime", region_name=REGIONS[0], config=config)


if __name__ == "__main__":
    main()
