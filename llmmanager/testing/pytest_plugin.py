"""The fixture `fake_bedrock`. Enable it with `pytest_plugins = ["llmmanager.testing.pytest_plugin"]`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .environment import UNSET
from .fake_bedrock import FakeBedrock


@pytest.fixture
def fake_bedrock(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeBedrock]:
    """Yield a FakeBedrock to which environment variables direct boto3 clients during the test."""
    for name in UNSET:
        monkeypatch.delenv(name, raising=False)
    with FakeBedrock() as bedrock:
        for name, value in bedrock.environment.items():
            monkeypatch.setenv(name, value)
        yield bedrock
