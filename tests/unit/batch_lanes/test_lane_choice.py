"""Which lanes a batch uses, and how the choice is explained."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmmanager.batch_lanes.job_limits import MIN_JOB_RECORDS
from llmmanager.batch_lanes.lane import LANES, Lane, LaneUnavailable
from llmmanager.batch_lanes.lane_choice import LaneChoice, LaneCriteria, choose_lanes
from llmmanager.batch_lanes.lane_explanation import explain
from llmmanager.batch_lanes.lane_times import LaneSeconds, lane_seconds
from llmmanager.batch_lanes.record_groups import USABLE_LANES, RecordGroup, RecordGroups
from llmmanager.bedrock.pricing import estimate_cost

HAIKU = "anthropic.claude-haiku-4-5-20251001-v1:0"
NOVA_PRO = "amazon.nova-pro-v1:0"
NO_FLEX = {Lane.FLEX: "Claude Haiku 4.5 has no price in the flex tier"}
HOUR = 3600.0
TOOLS = {"tools": [{"toolSpec": {"name": "find", "inputSchema": {"json": {"type": "object"}}}}]}


def totals_of(records: int, model_id: str = HAIKU, *, with_tools: int = 0, **fields: Any) -> RecordGroups:
    totals = RecordGroups(model_id)
    for number in range(records):
        request = {
            "messages": [{"role": "user", "content": [{"text": "word " * 400}]}],
            "inferenceConfig": {"maxTokens": 300},
            **({"toolConfig": TOOLS} if number < with_tools else {}),
            **fields,
        }
        totals.add(request)
    return totals


def groups_of(**fields: Any) -> tuple[RecordGroup, ...]:
    totals = totals_of(100, **fields)
    return totals.groups(lambda usage, tier: estimate_cost(HAIKU, usage, service_tier=tier))


def criteria(
    totals: RecordGroups,
    *,
    model_id: str = HAIKU,
    requested: str = "auto",
    deadline: float | None = None,
    unavailable: dict[Lane, str] | None = None,
    quota_seconds: float | None = None,
) -> LaneCriteria:
    managed = totals.records_of(Lane.MANAGED)
    return LaneCriteria(
        requested=requested,
        groups=totals.groups(lambda usage, tier: estimate_cost(model_id, usage, service_tier=tier)),
        seconds=lane_seconds(
            records=totals.records,
            output_tokens=totals.output_tokens,
            calls_at_once=320,
            quota_seconds=quota_seconds,
            managed_records=managed,
        ),
        deadline_seconds=deadline,
        job_records=managed if managed >= MIN_JOB_RECORDS else 0,
        unavailable=NO_FLEX if unavailable is None else unavailable,
    )


def explained(
    asked: LaneCriteria, choice: LaneChoice, totals: RecordGroups, *, fails_over: bool = False
) -> str:
    return explain(
        asked,
        choice,
        model="Claude Haiku 4.5",
        obstacles=totals.obstacles,
        unlimited_records=totals.unlimited_records,
        reads_cache=totals.reads_cache,
        fails_over=fails_over,
    )


def test_five_thousand_records_with_half_a_day_run_in_jobs_for_about_half_the_cost() -> None:
    totals = totals_of(5_000)
    asked = criteria(totals, deadline=12 * HOUR)
    choice = choose_lanes(asked)
    on_demand = choice.estimate(Lane.ON_DEMAND).usd
    assert choice.records == {Lane.MANAGED: 5_000, Lane.FLEX: 0, Lane.ON_DEMAND: 0}
    assert choice.usd is not None
    assert on_demand is not None
    assert choice.usd == choice.estimate(Lane.MANAGED).usd <= 0.55 * on_demand
    assert explained(asked, choice, totals) == (
        "5,000 records in managed batch jobs: about 5.02 USD instead of about 10.04 USD on demand. "
        "The records in managed batch jobs take up to 2 h 15 min, then up to 2 min on demand for what is "
        "left; the deadline is in 12 h."
    )


def test_half_an_hour_is_too_short_for_jobs() -> None:
    totals = totals_of(5_000)
    asked = criteria(totals, deadline=1_800)
    choice = choose_lanes(asked)
    assert choice.records[Lane.ON_DEMAND] == 5_000
    assert explained(asked, choice, totals) == (
        "5,000 records on demand: about 10.04 USD. "
        "Not in the flex tier: Claude Haiku 4.5 has no price in the flex tier. "
        "Not in managed batch jobs: it takes up to 2 h 15 min, then up to 2 min on demand; the "
        "deadline is in 30 min."
    )


def test_records_with_tools_run_on_demand_beside_the_jobs() -> None:
    totals = totals_of(5_000, with_tools=500)
    asked = criteria(totals, deadline=12 * HOUR)
    choice = choose_lanes(asked)
    assert choice.records == {Lane.MANAGED: 4_500, Lane.FLEX: 0, Lane.ON_DEMAND: 500}
    text = explained(asked, choice, totals, fails_over=True)
    assert text.startswith("4,500 records in managed batch jobs and 500 records on demand: about ")
    assert "Jobs do not support: toolConfig (500)." in text
    assert text.endswith(
        "Only Claude Haiku 4.5 runs in managed batch jobs; a record that it does not answer there runs on "
        "demand, also with the other models."
    )


def test_without_a_deadline_auto_runs_on_demand_and_says_what_a_deadline_would_save() -> None:
    totals = totals_of(5_000)
    asked = criteria(totals)
    choice = choose_lanes(asked)
    assert choice.records[Lane.ON_DEMAND] == 5_000
    assert explained(asked, choice, totals).endswith(
        "Not in managed batch jobs (about 5.02 USD), since the batch has no deadline; "
        "at least 2 h 17 min would be needed."
    )


def test_of_two_lanes_at_the_same_price_the_faster_one_is_used() -> None:
    quick = criteria(totals_of(5_000, NOVA_PRO), model_id=NOVA_PRO, deadline=12 * HOUR, unavailable={})
    assert choose_lanes(quick).records[Lane.FLEX] == 5_000
    # The quota also limits flex, but not jobs.
    slow = criteria(
        totals_of(5_000, NOVA_PRO),
        model_id=NOVA_PRO,
        deadline=12 * HOUR,
        unavailable={},
        quota_seconds=3 * HOUR,
    )
    assert choose_lanes(slow).records[Lane.MANAGED] == 5_000


def test_a_job_needs_enough_records() -> None:
    totals = totals_of(MIN_JOB_RECORDS - 1)
    choice = choose_lanes(criteria(totals, deadline=12 * HOUR))
    assert choice.records[Lane.ON_DEMAND] == MIN_JOB_RECORDS - 1
    assert choice.estimate(Lane.MANAGED).obstacle == (
        "99 records can run in a job, and a job needs at least 100"
    )


def test_records_that_are_too_large_for_a_job_are_the_reason_for_running_on_demand() -> None:
    too_large = replace(criteria(totals_of(200), deadline=12 * HOUR), job_records=0)
    assert choose_lanes(too_large).estimate(Lane.MANAGED).obstacle == (
        "a job needs at least 100 records, and so many of that size exceed a job"
    )


@pytest.mark.parametrize(
    ("requested", "with_tools", "unavailable", "problem"),
    [
        ("flex", 0, NO_FLEX, "Claude Haiku 4.5 has no price in the flex tier"),
        (
            "managed",
            0,
            {Lane.MANAGED: "the setting managed_lane is false"},
            "the setting managed_lane is false",
        ),
        ("managed", 150, {}, "50 records can run in a job, and a job needs at least 100"),
    ],
)
def test_a_requested_lane_that_no_record_can_use_is_rejected(
    requested: str, with_tools: int, unavailable: dict[Lane, str], problem: str
) -> None:
    with pytest.raises(LaneUnavailable, match=problem):
        choose_lanes(
            criteria(totals_of(200, with_tools=with_tools), requested=requested, unavailable=unavailable)
        )


def test_a_requested_lane_runs_the_records_that_can_use_it_with_any_deadline() -> None:
    totals = totals_of(200, with_tools=20)
    asked = criteria(totals, requested="managed", deadline=60)
    choice = choose_lanes(asked)
    assert choice.records == {Lane.MANAGED: 180, Lane.FLEX: 0, Lane.ON_DEMAND: 20}
    assert "The deadline may be missed in managed batch jobs: it takes up to 35 min" in explained(
        asked, choice, totals
    )


def test_a_tier_that_the_model_does_not_offer_has_the_price_on_demand() -> None:
    (in_flex,) = (group for group in groups_of(serviceTier={"type": "flex"}) if group.records)
    (usual,) = (group for group in groups_of(serviceTier={"type": "default"}) if group.records)
    assert in_flex.usd[Lane.ON_DEMAND] == usual.usd[Lane.ON_DEMAND] is not None


def test_an_unlimited_output_is_estimated_as_the_maximum_and_explained() -> None:
    totals = totals_of(10, inferenceConfig={})
    asked = criteria(totals)
    assert totals.output_tokens == 10 * 64_000
    assert explained(asked, choose_lanes(asked), totals).endswith(
        "10 records without maxTokens: their output is estimated as the maximum of Claude Haiku 4.5. "
        "Set expectedOutputTokens for a better estimate."
    )


def test_records_with_a_service_tier_of_their_own_keep_it_and_its_price() -> None:
    totals = totals_of(100, NOVA_PRO, serviceTier={"type": "priority"})
    (*_, fixed) = totals.groups(lambda usage, tier: {"priority": 7.0}.get(tier or ""))
    assert fixed == RecordGroup(Lane.ON_DEMAND, 100, {Lane.ON_DEMAND: 7.0})


costs = st.one_of(st.none(), st.floats(0, 100))
times = st.floats(0, 100_000)


@st.composite
def some_criteria(draw: st.DrawFn) -> LaneCriteria:
    groups = [
        RecordGroup(last, draw(st.integers(0, 1_000)), {lane: draw(costs) for lane in lanes})
        for last, lanes in USABLE_LANES.items()
    ]
    return LaneCriteria(
        requested=draw(st.sampled_from(LANES)),
        groups=groups,
        seconds=LaneSeconds(draw(times), draw(times), draw(times)),
        deadline_seconds=draw(st.one_of(st.none(), times)),
        job_records=draw(st.integers(0, groups[0].records)),
        unavailable=draw(
            st.dictionaries(st.sampled_from([Lane.FLEX, Lane.MANAGED]), st.just("switched off"))
        ),
    )


@given(some_criteria())
def test_auto_is_never_dearer_than_on_demand_and_never_expected_to_miss_the_deadline(
    asked: LaneCriteria,
) -> None:
    try:
        choice = choose_lanes(asked)
    except LaneUnavailable:
        assert asked.requested != "auto"
        return
    assert sum(choice.records.values()) == asked.records
    explain(
        asked,
        choice,
        model="Nova Pro",
        obstacles={"toolConfig": 1},
        unlimited_records=0,
        reads_cache=True,
        fails_over=True,
    )
    if asked.requested != "auto":
        return
    for group in asked.groups:
        lane = choice.lanes[group.last_lane]
        if lane is Lane.ON_DEMAND:
            continue
        usd, on_demand = group.usd[lane], group.usd[Lane.ON_DEMAND]
        assert usd is not None
        assert on_demand is not None
        assert usd < on_demand
        assert lane not in asked.unavailable
        assert asked.deadline_seconds is not None
        assert asked.seconds.of(lane) + asked.seconds.on_demand <= asked.deadline_seconds
        assert lane is Lane.FLEX or asked.job_records >= MIN_JOB_RECORDS
