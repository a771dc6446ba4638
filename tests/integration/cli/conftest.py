"""The variables with which a command calls FakeBedrock."""

from __future__ import annotations

import pytest

from llmmanager.testing import FakeBedrock


@pytest.fixture
def settings(fake_bedrock: FakeBedrock) -> dict[str, str]:
    return {**fake_bedrock.environment, "AWS_REGION": "us-east-1"}
