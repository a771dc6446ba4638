"""An access method that is missing in the catalog is looked up when the known one is rejected."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from llmmanager import ConfigurationError, LLMManager, RetryExhaustedError
from llmmanager.testing import FakeBedrock, FakeCatalog, FakeModel, Fault

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


MOVED = "ai21.jamba-1-5-mini-v1:0"


@pytest.fixture
def make_moved(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., LLMManager]]:
    """A manager of a model that was in us-east-1 alone, against a Bedrock that offers it otherwise today."""
    with ExitStack() as stack:

        def make(today: FakeModel, *faults: Fault) -> LLMManager:
            bedrock = stack.enter_context(FakeBedrock(catalog=FakeCatalog(today)))
            for fault in faults:
                bedrock.add_fault(fault)
            for name, value in bedrock.environment.items():
                monkeypatch.setenv(name, value)
            manager = LLMManager([MOVED], ["us-east-1", "us-west-2"])
            stack.callback(manager.close)
            return manager

        yield make


def test_a_model_that_has_moved_to_another_region_is_found_in_the_same_call(make_moved, ask) -> None:
    manager = make_moved(FakeModel(model_id=MOVED, on_demand=["us-west-2"]))
    first, second = manager.converse(ask), manager.converse(ask)
    assert [attempt.region for attempt in first.attempts] == ["us-east-1", "us-west-2"]
    assert [attempt.region for attempt in second.attempts] == ["us-west-2"]


def test_an_unknown_id_in_the_last_region_is_tried_through_the_profile_that_bedrock_lists(
    make_moved, ask
) -> None:
    unknown = Fault(error="ValidationException", message="The provided model identifier is invalid.", count=1)
    manager = make_moved(FakeModel(model_id=MOVED, profiles={"us": ["us-east-1"]}), unknown)
    response = manager.converse(ask)
    assert [attempt.invoke_id for attempt in response.attempts] == [MOVED, f"us.{MOVED}"]


def test_a_model_that_bedrock_lists_nowhere_fails_with_its_attempt_and_is_not_called_again(
    make_moved, ask
) -> None:
    manager = make_moved(FakeModel(model_id="amazon.nova-lite-v1:0", on_demand=["us-east-1"]))
    with pytest.raises(RetryExhaustedError) as first:
        manager.converse(ask)
    assert [attempt.region for attempt in first.value.attempts] == ["us-east-1"]
    with pytest.raises(ConfigurationError, match="none of the models can be called"):
        manager.converse(ask)
