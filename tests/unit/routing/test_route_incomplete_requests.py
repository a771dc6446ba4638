"""Models that would get an incomplete request are tried after those that get all of it."""

from __future__ import annotations

import random
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from llmmanager.bedrock.models.deadline import NEVER, Deadline
from llmmanager.bedrock.models.llm_manager_structures import RetryConfig
from llmmanager.bedrock.routing.cooldown import Cooldowns
from llmmanager.bedrock.routing.decision import Decision, Kind, Next
from llmmanager.bedrock.routing.route import Route
from tests.unit.routing.targets import Access

THROTTLED = Decision(Next.SAME_TARGET, Kind.THROTTLE)
NO_ACCESS = Decision(Next.OTHER_REGION, Kind.ACCESS)
WRONG_MODEL = Decision(Next.OTHER_MODEL, Kind.MODEL)
REJECTED = Decision(Next.OTHER_MODEL_FIRST, Kind.FEATURE)


def route(
    models: str, regions: str, left_out: Counter[str], *, deadline: Deadline = NEVER, max_retries: int = 100
) -> Route[Access]:
    return Route(
        [(Access(model, region),) for model in models for region in regions],
        RetryConfig(max_retries=max_retries),
        Cooldowns(),
        deadline,
        random.Random(7),
        lambda: 100.0,
        left_out.__getitem__,
    )


def walk(call_route: Route[Access], *decisions: Decision) -> list[str]:
    """Make one attempt for each decision; return the targets in the order of the attempts."""
    tried = []
    for decision in decisions:
        step = call_route.next()
        if step is None:
            break
        tried.append(f"{step.target.model_id}{step.target.region}")
        call_route.record_failure(step.target, decision, decision.next)
    return tried


def test_a_model_that_is_known_to_lose_content_comes_last_in_all_its_regions() -> None:
    call_route = route("ABC", "12", Counter(A=1))
    assert walk(call_route, *[NO_ACCESS] * 9) == ["B1", "B2", "C1", "C2", "A1", "A2"]


def test_the_model_that_loses_the_least_is_the_first_of_those_that_lose_some() -> None:
    call_route = route("ABC", "1", Counter(A=2, B=1, C=1))
    assert walk(call_route, *[NO_ACCESS] * 9) == ["B1", "C1", "A1"]


def test_a_model_that_rejects_content_waits_until_the_others_are_out() -> None:
    left_out: Counter[str] = Counter()
    call_route = route("AB", "12", left_out)
    assert walk(call_route, THROTTLED) == ["A1"]
    left_out["A"] += 1
    assert walk(call_route, REJECTED) == ["A2"]
    assert walk(call_route, *[NO_ACCESS] * 9) == ["B1", "B2", "A2", "A1"]


def test_whether_another_model_comes_first_depends_on_what_it_loses_and_then_on_the_order() -> None:
    left_out = Counter(B=1)
    call_route = route("AB", "1", left_out)
    a, b = Access("A", "1"), Access("B", "1")
    assert not call_route.has_more_complete(a)
    left_out["A"] = 1
    assert not call_route.has_more_complete(a)
    left_out["A"] = 2
    assert call_route.has_more_complete(a)
    assert walk(call_route, REJECTED) == ["A1"]
    assert not call_route.has_more_complete(b)
    left_out["B"] = 2
    assert call_route.has_more_complete(b)


def test_a_model_that_is_only_waiting_for_its_retry_still_comes_first() -> None:
    left_out: Counter[str] = Counter()
    call_route = route("AB", "1", left_out)
    walk(call_route, THROTTLED)
    left_out["B"] = 1
    assert call_route.has_more_complete(Access("B", "1"))
    assert walk(call_route, REJECTED, THROTTLED) == ["B1", "A1"]


def test_each_incomplete_model_gets_one_attempt_when_the_retries_are_used_up() -> None:
    call_route = route("ABC", "12", Counter(A=1, B=1), max_retries=1)
    assert walk(call_route, *[THROTTLED] * 9) == ["C1", "C2", "A1", "B1"]
    assert call_route.next() is None
    assert call_route.ended_by == "max_retries (1) used up"


def test_an_incomplete_model_is_tried_when_the_others_would_wait_past_the_deadline() -> None:
    call_route = route("AB", "1", Counter(A=1), deadline=Deadline(105.0))
    hinted = Decision(Next.SAME_TARGET, Kind.THROTTLE, retry_after=30.0)
    assert walk(call_route, hinted) == ["B1"]
    assert walk(call_route, NO_ACCESS) == ["A1"]
    assert call_route.next() is None
    assert not call_route.out_of_time


def test_targets_added_during_the_call_with_incomplete_requests_come_last() -> None:
    call_route = route("A", "1", Counter(A=1))
    call_route.add_groups([(Access("A", "2"),), (Access("B", "2"),)])
    assert walk(call_route, *[NO_ACCESS] * 9) == ["B2", "A1", "A2"]


def test_unwanted_targets_with_incomplete_requests_are_removed() -> None:
    call_route = route("AB", "12", Counter(A=1))
    call_route.keep_only(lambda target: target.region == "2")
    assert walk(call_route, *[NO_ACCESS] * 9) == ["B2", "A2"]


@given(
    models=st.integers(1, 4),
    regions=st.integers(1, 3),
    max_retries=st.integers(0, 4),
    known=st.sets(st.sampled_from("ABCD")),
    faults=st.lists(
        st.sampled_from([THROTTLED, NO_ACCESS, WRONG_MODEL, REJECTED]), min_size=120, max_size=120
    ),
)
def test_a_route_with_incomplete_models_ends_within_its_bounds(
    models: int, regions: int, max_retries: int, known: set[str], faults: list[Decision]
) -> None:
    left_out = Counter(known)
    call_route = route("ABCD"[:models], "123"[:regions], left_out, max_retries=max_retries)
    transient = 0
    for fault in faults:
        step = call_route.next()
        if step is None:
            break
        next_ = fault.next
        if next_ is Next.OTHER_MODEL_FIRST:
            left_out[step.target.model_id] += 1
            if left_out[step.target.model_id] > 3:
                next_ = Next.OTHER_MODEL
            elif not call_route.has_more_complete(step.target):
                next_ = Next.DROP_FEATURE
        transient += fault.transient
        call_route.record_failure(step.target, fault, next_)
        following = call_route.next()
        if next_ is Next.OTHER_MODEL_FIRST and following is not None:
            assert following.target.model_id != step.target.model_id
        if next_ is Next.DROP_FEATURE:
            assert following is not None
            assert following.target == step.target
    assert call_route.next() is None
    # One for each time that a model was brought back.
    assert transient <= max_retries + 1 + 4 * models
