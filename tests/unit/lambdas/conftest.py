"""The environment variables of the deployed functions."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from lambdas.shared import settings

ENVIRONMENT = {
    "LLMMANAGER_MODELS": json.dumps(["Nova Lite", "Nova Micro"]),
    "LLMMANAGER_REGIONS": json.dumps(["us-east-1", "us-west-2"]),
    "LLMMANAGER_TABLE": "catalog",
    "LLMMANAGER_BUCKET": "batches",
    "LLMMANAGER_INPUT_BUCKETS": json.dumps(["inputs"]),
    "LLMMANAGER_BATCH_STATE_MACHINE_ARN": "arn:aws:states:us-east-1:123456789012:stateMachine:Batch",
    "LLMMANAGER_WORKER_CONCURRENCY": "32",
    "LLMMANAGER_MAP_CONCURRENCY": "10",
    "LLMMANAGER_SHARD_SIZE": "500",
}


@pytest.fixture
def fresh_settings() -> Iterator[None]:
    """The settings are read from the environment of the test, and again after it."""
    readers = [reader for reader in vars(settings).values() if hasattr(reader, "cache_clear")]
    for reader in readers:
        reader.cache_clear()
    yield
    for reader in readers:
        reader.cache_clear()


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, fresh_settings: None) -> pytest.MonkeyPatch:
    """A valid environment, in which tests change variables."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    return monkeypatch
