"""A way in that only Bedrock knows of is asked for when the known one is refused."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from llmmanager import LLMManager
from llmmanager.testing import FakeBedrock, FakeCatalog, FakeModel

MODEL = "openai.gpt-oss-20b-1:0"


@pytest.fixture
def manager(monkeypatch: pytest.MonkeyPatch) -> Iterator[LLMManager]:
    """A manager of a model that is called directly, until AWS offers it through profiles only."""
    changed = FakeModel(model_id=MODEL, profiles={"us": ["us-east-1", "us-west-2"]}, name="gpt-oss-20b")
    with FakeBedrock(catalog=FakeCatalog(changed)) as bedrock:
        for name, value in bedrock.environment.items():
            monkeypatch.setenv(name, value)
        manager = LLMManager([MODEL], ["us-east-1"])
        yield manager
        manager.close()


def test_the_profile_is_found_in_the_same_call_and_used_from_then_on(manager: LLMManager, ask) -> None:
    assert manager.get_model_access_info(MODEL, "us-east-1")["access_methods"] == ["on_demand"]
    first, second = manager.converse(ask), manager.converse(ask)
    assert [attempt.invoke_id for attempt in first.attempts] == [MODEL, f"us.{MODEL}"]
    assert [attempt.invoke_id for attempt in second.attempts] == [f"us.{MODEL}"]
    assert first.access_method == second.access_method == "geographic_profile"
