"""What a batch costs around its model calls: planning it, state transitions, the workers' time.

S3 and DynamoDB are the emulator, Bedrock is FakeBedrock; each is a process of its own, as is each function.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from infra.batch import WORKER_MEMORY_MB
from infra.batch_definition import batch_definition
from infra.settings import DEFAULTS
from local.emulator import running_emulator
from tests.benchmarks.fake import Fake, fake_bedrock
from tests.benchmarks.figures import Figure
from tests.benchmarks.table import print_figures

BUCKET, TABLE = "batches-of-the-benchmark", "catalog-of-the-benchmark"
USAGE_TABLE = "usage-of-the-benchmark"
# What the bars are set for: one invocation of 512 MB a record.
NAIVE_GB = 0.5


@dataclass(frozen=True)
class Bench:
    """The services that a batch's functions call, and the environment that leads there."""

    environment: Mapping[str, str]
    bedrock: Fake

    def run(self, *arguments: str, stdin: Any = None) -> dict[str, Any]:
        """What `batch_process` measured."""
        process = subprocess.run(
            [sys.executable, "-m", "tests.benchmarks.batch_process", *arguments],
            input=json.dumps(stdin),
            env=dict(self.environment),
            text=True,
            check=True,
            stdout=subprocess.PIPE,
        )
        measured: dict[str, Any] = json.loads(process.stdout)
        return measured

    def planned(self, records: int) -> dict[str, Any]:
        """What planning so many records takes."""
        uri = f"s3://{BUCKET}/inputs/records-{records}"
        self.run("input", str(records), uri)
        return self.run("plan", uri)

    def shards(self, planned: Mapping[str, Any]) -> list[dict[str, Any]]:
        """What the map over shards is given."""
        s3 = boto3.client("s3", endpoint_url=self.environment["AWS_ENDPOINT_URL"], **CREDENTIALS)
        body = s3.get_object(Bucket=BUCKET, Key=planned["returned"]["manifestKey"])["Body"]
        shards: list[dict[str, Any]] = json.load(body)
        return shards


CREDENTIALS = {
    "aws_access_key_id": "benchmark",
    "aws_secret_access_key": "benchmark",
    "region_name": "us-east-1",
}


@contextmanager
def bench() -> Iterator[Bench]:
    """Everything that a batch needs, for the block."""
    with (
        tempfile.TemporaryDirectory() as folder,
        running_emulator(port=None, folder=Path(folder)) as emulator,
        fake_bedrock() as bedrock,
    ):
        client = {"endpoint_url": emulator.endpoint_url, **CREDENTIALS}
        boto3.client("s3", **client).create_bucket(Bucket=BUCKET)
        for table in (TABLE, USAGE_TABLE):
            boto3.client("dynamodb", **client).create_table(
                TableName=table,
                BillingMode="PAY_PER_REQUEST",
                AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
                KeySchema=[
                    {"AttributeName": "pk", "KeyType": "HASH"},
                    {"AttributeName": "sk", "KeyType": "RANGE"},
                ],
            )
        settings = {
            "LLMMANAGER_MODELS": json.dumps(DEFAULTS["models"]),
            "LLMMANAGER_REGIONS": json.dumps(DEFAULTS["regions"]),
            "LLMMANAGER_TABLE": TABLE,
            "LLMMANAGER_USAGE_TABLE": USAGE_TABLE,
            "LLMMANAGER_BUCKET": BUCKET,
            "LLMMANAGER_WORKER_CONCURRENCY": str(DEFAULTS["worker_concurrency"]),
            "LLMMANAGER_MAP_CONCURRENCY": str(DEFAULTS["map_concurrency"]),
            "LLMMANAGER_SHARD_SIZE": str(DEFAULTS["shard_size"]),
            "POWERTOOLS_SERVICE_NAME": "benchmark",
        }
        yield Bench({**emulator.environment, **bedrock.environment, **settings}, bedrock)


def figures(*, short: bool) -> list[Figure]:
    """All figures; the short form plans and runs hundreds of records instead of hundreds of thousands."""
    records, half = (2_000, 1_000) if short else (200_000, 100_000)
    with bench() as services:
        smaller, planned = services.planned(half), services.planned(records)
        shards = services.shards(planned)
        worker = worker_time(services, shards, seconds=0.1 if short else 3.0)
    return [*plan_figures(planned, smaller, records, half), transition_figure(shards, records), worker]


def plan_figures(
    planned: Mapping[str, Any], smaller: Mapping[str, Any], records: int, half: int
) -> list[Figure]:
    """Time and memory of a plan."""
    return [
        Figure(
            what=f"plan of {records:,} records of 2 KB",
            value=planned["seconds"],
            unit="s",
            bar=20,
            stretch=8,
            parts={"CPU s": planned["cpuSeconds"]},
        ),
        Figure(
            what=f"peak memory of the plan of {records:,} records",
            value=planned["peakMb"],
            unit="MB",
            bar=150,
            parts={f"of {half:,}": smaller["peakMb"]},
            note="of the whole process",
        ),
    ]


def transition_figure(shards: list[dict[str, Any]], records: int) -> Figure:
    """State transitions, counted by walking the deployed definition over the shards that were planned."""
    return Figure(
        what="state transitions per 1,000 records",
        value=transitions(len(shards)) / records * 1000,
        unit="",
        bar=12,
        parts={"shards": len(shards)},
        note=f"counted in the deployed definition for the plan of {records:,} records; a start counts as one",
    )


def worker_time(services: Bench, shards: list[dict[str, Any]], *, seconds: float) -> Figure:
    """Lambda time for the largest shard, whose calls take `seconds` each."""
    shard = max(shards, key=lambda item: int(item["records"]))
    services.bedrock.reset(latency=seconds)
    run = services.run("worker", stdin=shard)
    assert run["returned"]["answered"] == shard["records"], run
    gigabytes = WORKER_MEMORY_MB / 1024
    per_thousand = 1000 / shard["records"]
    naive = 1000 * seconds * NAIVE_GB
    return Figure(
        what=f"Lambda GB-seconds per 1,000 records of {seconds:g} s",
        value=run["seconds"] * gigabytes * per_thousand,
        unit="GB-s",
        bar=naive / 15,
        parts={
            "one invocation of 512 MB a record": naive,
            "records": shard["records"],
            "seconds": run["seconds"],
            "CPU s": run["cpuSeconds"],
            "GB": gigabytes,
            "peak MB": run["peakMb"],
        },
        note="one shard; includes the cold start without the interpreter's own",
    )


def transitions(shards: int, *, invocations: int = 1) -> int:
    """State transitions of a batch whose shards take so many invocations of a worker each."""
    definition = batch_definition(
        plan="plan", worker="worker", collect="collect", map_concurrency=1, partition="aws"
    )
    child = definition["States"]["RunShards"]["ItemProcessor"]
    return entered_states(definition, {"shardCount": shards}) + shards * entered_states(
        child, {}, invocations=invocations
    )


def entered_states(machine: Mapping[str, Any], data: dict[str, Any], *, invocations: int = 1) -> int:
    """The states that an execution enters when nothing fails, and its start."""
    entered, name = 1, machine["StartAt"]
    runs = 0
    while name is not None:
        state = machine["States"][name]
        entered += 1
        if state["Type"] == "Task":
            runs += 1
            data["done"] = runs >= invocations
        name = _chosen(state, data) if state["Type"] == "Choice" else state.get("Next")
    return entered


def _chosen(state: Mapping[str, Any], data: Mapping[str, Any]) -> str:
    for choice in state["Choices"]:
        name = choice["Variable"].removeprefix("$.")
        if "IsPresent" in choice:
            if name in data:
                return str(choice["Next"])
            continue
        value = data[name]
        if choice.get("BooleanEquals") is value or value > choice.get("NumericGreaterThan", value):
            return str(choice["Next"])
    return str(state["Default"])


if __name__ == "__main__":
    print_figures(figures(short="--short" in sys.argv))
