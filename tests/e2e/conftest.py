"""One deployed stack for all end-to-end tests, with free ports and checks of IAM policies and signatures."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from llmmanager.testing import FakeBedrock
from local.deployed_stack import Stack
from local.running import LocalRun, running_stack

# Small shards and a short timeout, so that a few records need several shards and invocations.
SETTINGS = {
    "models": "Nova Lite,Nova Micro,Claude Haiku 4.5",
    "regions": "us-east-1,us-west-2,eu-central-1",
    "model_aliases": '{"gpt-4o": "Nova Micro"}',
    "refresh_schedule": "rate(6 hours)",
    "shard_size": "8",
    "worker_concurrency": "2",
    "worker_timeout_seconds": "30",
}


@pytest.fixture(scope="session")
def run() -> Iterator[LocalRun]:
    with running_stack(FakeBedrock(window_seconds=2), context=SETTINGS, check_permissions=True) as running:
        yield running


@pytest.fixture
def stack(run: LocalRun) -> Stack:
    return run.stack


@pytest.fixture
def bedrock(run: LocalRun) -> Iterator[FakeBedrock]:
    """FakeBedrock without faults and calls."""
    run.bedrock.reset()
    yield run.bedrock
    run.bedrock.reset()
