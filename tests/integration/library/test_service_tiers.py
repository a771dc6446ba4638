"""Service tiers: their failures are kept apart, and a tier that a model does not offer is left out."""

from __future__ import annotations

import pytest

from llmmanager import RetryExhaustedError
from llmmanager.bedrock.invocation.parameter_edits import OptionalTier
from llmmanager.bedrock.routing.cooldown import Cooldowns
from llmmanager.testing import FakeBedrock, Fault

EAST, WEST = "us-east-1", "us-west-2"
FLEX, PRIORITY = {"type": "flex"}, {"type": "priority"}
PRO, MINISTRAL = "amazon.nova-pro-v1:0", "mistral.ministral-3-8b-instruct"
NO_TIER = "The provided service tier is not supported for this model."


class Published:
    """A cooldown store that records what is published."""

    def __init__(self) -> None:
        self.keys: set[tuple[str, str]] = set()

    def publish(self, key: tuple[str, str], until: float) -> None:
        self.keys.add(key)

    def read(self) -> dict[tuple[str, str], float]:
        return {}


@pytest.fixture
def no_flex(fake_bedrock: FakeBedrock) -> FakeBedrock:
    """Nova Pro rejects the flex tier."""
    fault = Fault(error="ValidationException", message=NO_TIER, model=PRO, service_tier="flex")
    fake_bedrock.add_fault(fault)
    return fake_bedrock


def test_throttled_flex_calls_neither_delay_nor_divert_calls_in_the_default_tier(
    fake_bedrock: FakeBedrock, make_manager, ask
) -> None:
    store = Published()
    cooldowns = Cooldowns(store=store, in_background=lambda work: work())
    manager = make_manager(("Nova Pro",), retry={"max_retries": 9}, cooldowns=cooldowns)
    fake_bedrock.add_fault(Fault(error="ThrottlingException", service_tier="flex"))
    with pytest.raises(RetryExhaustedError):
        manager.converse(ask, service_tier=FLEX)
    throttled = len(fake_bedrock.calls)

    response = manager.converse(ask)

    assert throttled == 10
    assert (response.get_attempt_count(), response.region_used) == (1, EAST)
    assert store.keys == {(f"{PRO}|flex", EAST), (f"{PRO}|flex", WEST)}


def test_an_answer_in_the_default_tier_does_not_end_the_cooldown_of_flex(
    fake_bedrock: FakeBedrock, make_manager, ask
) -> None:
    manager = make_manager(("Nova Pro",))
    fault = Fault(error="ServiceUnavailableException", service_tier="flex", region=EAST)
    fake_bedrock.add_fault(fault)
    for _ in range(3):
        manager.converse(ask, service_tier=FLEX)
    manager.converse(ask)

    flex, default = manager.converse(ask, service_tier=FLEX), manager.converse(ask)

    assert (flex.region_used, flex.get_attempt_count()) == (WEST, 1)
    assert (default.region_used, default.get_attempt_count()) == (EAST, 1)


def test_a_tier_that_a_model_does_not_offer_is_left_out_for_this_model(
    no_flex: FakeBedrock, make_manager, ask
) -> None:
    manager = make_manager(("Nova Pro",), regions=(EAST,))

    first, second = (manager.converse(ask, service_tier=FLEX) for _ in range(2))
    priority = manager.converse(ask, service_tier=PRIORITY)

    assert [first.get_attempt_count(), second.get_attempt_count()] == [2, 1]
    assert first.get_disabled_features() == second.get_disabled_features() == ["service_tier"]
    assert first.get_warnings() == [f"{PRO} does not accept service_tier: sent in the default tier"]
    assert first.get_service_tier() is None
    assert priority.get_service_tier() == PRIORITY


def test_without_feature_fallback_another_model_answers_in_the_tier(
    no_flex: FakeBedrock, make_manager, ask
) -> None:
    no_fallback = {"enable_feature_fallback": False}
    manager = make_manager(("Nova Pro", MINISTRAL), regions=(EAST,), retry=no_fallback)

    response = manager.converse(ask, service_tier=FLEX)

    assert (response.model_used, response.get_service_tier()) == (MINISTRAL, FLEX)


def test_an_optional_tier_is_left_out_without_feature_fallback_and_is_no_disabled_feature(
    no_flex: FakeBedrock, make_manager, ask
) -> None:
    manager = make_manager(("Nova Pro",), regions=(EAST,), retry={"enable_feature_fallback": False})

    first, second = (manager.converse(ask, service_tier=OptionalTier(FLEX)) for _ in range(2))

    assert (first.get_attempt_count(), second.get_attempt_count()) == (2, 1)
    assert (first.get_service_tier(), first.get_disabled_features()) == (None, [])
