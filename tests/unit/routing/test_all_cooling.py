"""Calls that found nothing but cooling targets are counted, for those who watch over many of them."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from llmmanager.bedrock.models.llm_manager_structures import RetryConfig
from llmmanager.bedrock.routing.cooldown import Cooldowns
from llmmanager.bedrock.routing.decision import Decision, Kind, Next
from llmmanager.bedrock.routing.route import Route
from tests.unit.routing.targets import Access

QUOTA = Decision(Next.OTHER_REGION, Kind.QUOTA)


A, B, ELSEWHERE = Access("m", "a"), Access("m", "b"), Access("m", "c")


@pytest.mark.parametrize(
    ("cooling", "targets", "counted"),
    [
        ((), (A, B), 0),
        ((ELSEWHERE,), (A, B), 0),
        ((A,), (A, B), 0),
        ((B,), (A, B), 0),
        ((A, B), (A, B), 1),
        ((A, B), (A,), 1),
        ((A,), (), 0),
    ],
)
def test_a_call_counts_when_each_of_its_own_targets_cools(
    cooling: Sequence[Access], targets: Sequence[Access], counted: int
) -> None:
    cooldowns = Cooldowns()
    for target in cooling:
        cooldowns.record_failure((target.model_id, target.region), QUOTA)
    Route([[target] for target in targets], RetryConfig(), cooldowns)
    assert cooldowns.take_all_cooling() == counted


def test_each_call_is_counted_and_reported_once() -> None:
    cooldowns = Cooldowns()
    cooldowns.record_failure(("m", "a"), QUOTA)
    for _ in range(3):
        Route([[A]], RetryConfig(), cooldowns)
    assert [cooldowns.take_all_cooling() for _ in range(2)] == [3, 0]
