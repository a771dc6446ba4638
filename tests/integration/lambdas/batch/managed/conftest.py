"""Batches with managed batch jobs: FakeBedrock runs them on the objects of moto, on a clock of the test."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from lambdas.batch.managed import job_step
from lambdas.batch.storage import BatchStorage
from lambdas.contract import BatchObject
from llmmanager.json_format.json_text import dump
from llmmanager.testing import Call, FakeBedrock
from tests.clock import ManualClock
from tests.deployed_storage import BUCKET
from tests.integration.lambdas.conftest import StateMachine
from tests.s3_server import s3_server

MODEL = "amazon.nova-lite-v1:0"


@pytest.fixture
def clock() -> ManualClock:
    """The time of FakeBedrock's jobs and of the functions that run them, in seconds."""
    return ManualClock()


@pytest.fixture
def texts() -> list[str]:
    """The texts of the first answers. Later ones are composed by FakeBedrock."""
    return []


@pytest.fixture
def prompts() -> Counter[str]:
    """How often each prompt was answered, in jobs and in calls."""
    return Counter()


@pytest.fixture
def fake_bedrock(
    clock: ManualClock, texts: list[str], prompts: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[FakeBedrock]:
    def respond(call: Call) -> str | None:
        prompts[str(call.prompt)] += 1
        return texts.pop(0) if texts else None

    with s3_server() as url, FakeBedrock(clock=clock, s3_endpoint=url, responder=respond) as bedrock:
        bedrock.set_jobs(min_records=1)
        for name, value in bedrock.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("LLMMANAGER_JOB_ROLE_ARN", "arn:aws:iam::123456789012:role/jobs")
        monkeypatch.setenv("LLMMANAGER_MANAGED_LANE", "true")
        yield bedrock


class JobMachine(StateMachine):
    """Runs the steps of a batch with jobs.

    Attributes:
        clock: advances by the `waitSeconds` of each step.
    """

    def __init__(self, make_context: Any, clock: ManualClock) -> None:
        super().__init__(make_context)
        self.clock = clock

    def plan_jobs(
        self, data: dict[str, Any], *, jobs: int = 1, name: str = "batch-1", **job: Any
    ) -> list[dict[str, Any]]:
        """Plan a batch whose records all run in jobs, and return their items.

        Args:
            jobs: the number of jobs; the shards are divided among them.
            job: further members of the items.
        """
        shards = self.plan(data, name=name)
        storage = self.storage
        bounds = [len(shards) * number // jobs for number in range(jobs + 1)]
        items = [
            {
                "batchId": storage.batch_id,
                "bucket": BUCKET,
                "run": name,
                "job": number,
                "model": MODEL,
                "invokeId": MODEL,
                "region": "us-east-1",
                "records": sum(shard["records"] for shard in shards[first:end]),
                "mayCreate": True,
                "firstShard": first,
                "shardCount": end - first,
                **job,
            }
            for number, (first, end) in enumerate(pairwise(bounds))
        ]
        storage.put(storage.key(BatchObject.JOB_ITEMS), dump(items))
        self.planned |= {"jobsKey": storage.key(BatchObject.JOB_ITEMS), "jobCount": jobs}
        return items

    @property
    def storage(self) -> BatchStorage:
        return BatchStorage(BUCKET, self.planned["batchId"])

    def step(self, item: dict[str, Any], *, seconds: float = 900) -> dict[str, Any]:
        """Do one step of a job, and wait after it."""
        item = json.loads(json.dumps(job_step.handler(item, self.context(seconds))))
        self.clock.now += item.get("waitSeconds", 0)
        return item

    def run_job(self, item: dict[str, Any], *, most: int = 500) -> dict[str, Any]:
        """Do the steps of a job until it is done."""
        for _ in range(most):
            item = self.step(item)
            if item["done"]:
                return item
        raise AssertionError(f"the job is not done after {most} steps: {item}")

    def plan_rest(self) -> list[dict[str, Any]]:
        """Plan the shards that are left, and return their items."""
        rest = job_step.handler(self.planned, self.context())
        items = json.loads(self.read(rest["manifestKey"]))
        assert rest["shardCount"] == len(items)
        return items

    def run_rest(self) -> list[dict[str, Any]]:
        """Run the shards that are left, and return their items."""
        items = self.plan_rest()
        for item in items:
            self.run_shard(item)
        return items

    def run_batch(self, data: dict[str, Any], **plan: Any) -> dict[str, Any]:
        """Run a whole batch, and return its summary."""
        for item in self.plan_jobs(data, **plan):
            self.run_job(item)
        self.run_rest()
        return self.collect()

    def attempt(self, name: str, *, job: int = 0, number: int = 1) -> dict[str, Any]:
        """Return a file of an attempt."""
        return json.loads(self.read(f"batches/{self.planned['batchId']}/jobs/{job:05d}/{number:03d}/{name}"))


@pytest.fixture
def machine(
    deployed: FakeBedrock, make_context: Any, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> JobMachine:
    first, start = clock.now, datetime.now(UTC)
    monkeypatch.setattr(job_step, "utc_now", lambda: start + timedelta(seconds=clock.now - first))
    monkeypatch.setattr(job_step, "MIN_JOB_RECORDS", 1)
    monkeypatch.setattr(job_step, "MAX_ATTEMPTS", 1)
    return JobMachine(make_context, clock)


@pytest.fixture
def many(machine: JobMachine, records: Callable[..., Any]) -> Callable[[int], dict[str, Any]]:
    """Returns the start input of a batch with this number of records."""
    return lambda count: {"inputS3Uri": machine.put(records(count))}
