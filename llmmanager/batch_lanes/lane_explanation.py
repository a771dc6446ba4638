"""Explains the choice of the lanes of a batch in plain words, with its figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from llmmanager.batch_lanes.job_limits import MIN_JOB_RECORDS
from llmmanager.batch_lanes.lane import AUTO, Lane
from llmmanager.batch_lanes.lane_choice import LaneChoice, LaneCriteria
from llmmanager.batch_lanes.lane_text import WHERE, time_text, times_text, usd_text
from llmmanager.batch_report.number_formats import counted

_CHEAPER = (Lane.FLEX, Lane.MANAGED)
_MAX_OBSTACLES = 5


def explain(
    criteria: LaneCriteria,
    choice: LaneChoice,
    *,
    model: str,
    obstacles: Mapping[str, int],
    unlimited_records: int,
    reads_cache: bool,
    fails_over: bool,
) -> str:
    """Return which records run in which lane, at what cost, and why.

    Args:
        model: the name of the batch's first model.
        obstacles: what keeps records out of jobs, and how many records.
        unlimited_records: the number of records whose output is estimated as the maximum of the model.
        reads_cache: whether records are estimated to read their prompt from the cache.
        fails_over: whether the batch has other models.
    """
    if not criteria.records:
        return "No record is valid."
    used = [lane for lane in _CHEAPER if choice.records[lane]]
    sentences = [_what(choice), *_times(criteria, choice, used)]
    if not used:
        sentences += _why_on_demand(criteria, choice)
    if Lane.MANAGED not in criteria.unavailable and (
        choice.records[Lane.MANAGED] or not criteria.job_records
    ):
        sentences += _outside_jobs(criteria, choice, obstacles)
    if reads_cache:
        sentences.append(
            "Prompts that records share are estimated with the prompt cache, which jobs do not have."
        )
    if unlimited_records:
        sentences.append(
            f"{counted(unlimited_records, 'record')} without maxTokens: their output is estimated as the "
            f"maximum of {model}. Set expectedOutputTokens for a better estimate."
        )
    if used and fails_over:
        sentences.append(
            f"Only {model} runs {' and '.join(WHERE[lane] for lane in used)}; "
            "a record that it does not answer there runs on demand, also with the other models."
        )
    return " ".join(sentences)


def obstacles_text(obstacles: Mapping[str, int]) -> str:
    """Return what keeps records out of jobs, the most frequent obstacles first.

    Args:
        obstacles: number of records by obstacle.
    """
    most = sorted(obstacles.items(), key=lambda item: (-item[1], item[0]))
    listed = ", ".join(f"{name} ({count:,})" for name, count in most[:_MAX_OBSTACLES])
    return f"Jobs do not support: {listed}{', and others' if len(most) > _MAX_OBSTACLES else ''}"


def _what(choice: LaneChoice) -> str:
    parts = [
        f"{counted(choice.records[lane], 'record')} {WHERE[lane]}"
        for lane in (Lane.MANAGED, Lane.FLEX, Lane.ON_DEMAND)
        if choice.records[lane]
    ]
    cost = usd_text(choice.usd)
    on_demand = choice.estimate(Lane.ON_DEMAND).usd
    if choice.usd is not None and on_demand is not None and choice.usd != on_demand:
        cost += f" instead of {usd_text(on_demand)} on demand"
    return f"{' and '.join(parts)}: {cost}."


def _times(criteria: LaneCriteria, choice: LaneChoice, used: list[Lane]) -> Iterator[str]:
    """Yield how long the chosen lanes take, and whether that meets the deadline."""
    for lane in used or [Lane.ON_DEMAND]:
        estimate = choice.estimate(lane)
        if estimate.delay:
            yield f"The deadline may be missed {WHERE[lane]}: {estimate.delay}."
        elif criteria.deadline_seconds is not None and lane is not Lane.ON_DEMAND:
            yield (
                f"The records {WHERE[lane]} take {times_text(criteria.seconds, lane)} for what is left; "
                f"the deadline is in {time_text(criteria.deadline_seconds)}."
            )


def _why_on_demand(criteria: LaneCriteria, choice: LaneChoice) -> Iterator[str]:
    """Yield why "auto" chose on demand for all records, for each lane that could be cheaper."""
    if choice.requested != AUTO:
        return
    on_demand = choice.estimate(Lane.ON_DEMAND).usd
    if on_demand is None:
        yield "The price of the first model is unknown, so lanes cannot be compared."
        return
    for lane in _CHEAPER:
        estimate = choice.estimate(lane)
        if reason := estimate.obstacle or estimate.delay:
            yield f"Not {WHERE[lane]}: {reason}."
        elif estimate.usd is not None and estimate.usd >= on_demand:
            yield f"Not {WHERE[lane]}: {usd_text(estimate.usd)}, which is not less."
        elif estimate.usd is not None:
            least = time_text(criteria.seconds.until_done(lane))
            yield (
                f"Not {WHERE[lane]} ({usd_text(estimate.usd)}), since the batch has no deadline; "
                f"at least {least} would be needed."
            )


def _outside_jobs(criteria: LaneCriteria, choice: LaneChoice, obstacles: Mapping[str, int]) -> Iterator[str]:
    if obstacles:
        yield f"{obstacles_text(obstacles)}."
    eligible = sum(group.records for group in criteria.groups if Lane.MANAGED in group.usd)
    too_large = eligible - choice.records[Lane.MANAGED]
    if choice.records[Lane.MANAGED] and too_large:
        yield f"{counted(too_large, 'record')} run on demand: {MIN_JOB_RECORDS} of that size exceed a job."
