"""Estimates the cost of a JSON Lines file of records before it becomes a batch. One line is in memory."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from llmmanager.batch_lanes.lane import Lane
from llmmanager.batch_lanes.lane_comparison import LaneComparison, LaneOptions, compare_lanes
from llmmanager.batch_lanes.lane_text import no_price_text
from llmmanager.batch_lanes.record_groups import RecordGroups
from llmmanager.bedrock.catalog.catalog_entries import AccessQuota, ModelAccess
from llmmanager.bedrock.catalog.managed_prompts import is_managed_prompt
from llmmanager.bedrock.exceptions.llm_manager_exceptions import ConfigurationError
from llmmanager.bedrock.invocation.manager_resources import ManagerResources
from llmmanager.bedrock.models.cost_estimates import FileCostEstimate, ModelCost
from llmmanager.bedrock.models.parallel_structures import BedrockConverseRequest
from llmmanager.bedrock.pricing import offers_tier
from llmmanager.bedrock.quota_capacity import QuotaCapacity
from llmmanager.bedrock.tokens.request_cost import UNPRICED, check_output_tokens, price
from llmmanager.json_format.codec import REQUEST_FIELDS, InvalidRequest, decode_record
from llmmanager.json_format.json_text import InvalidJson, parse
from llmmanager.json_format.text_encoding import without_byte_order_mark

_PROMPT = "the texts of managed prompts are unknown"
_MAX_PROBLEMS = 10


def file_cost(
    resources: ManagerResources,
    lines: str | os.PathLike[str] | Iterable[str | bytes],
    *,
    defaults: Mapping[str, Any],
    output_tokens: int | None,
    lane_options: LaneOptions,
) -> FileCostEstimate:
    """Return the cost of the records of a file.

    Args:
        defaults: inference parameters for fields that a record does not set.
        lines: the path of the file, or its lines.
        output_tokens: the expected output tokens of a record; None for its `maxTokens`, or the maximum of the
            model.
        lane_options: what the choice of lanes depends on.

    Raises:
        ConfigurationError: `output_tokens` is invalid, `lines` is neither a path nor lines, or no record can
            use the lane of `lane_options`.
        OSError: the file cannot be read.
    """
    check_output_tokens(output_tokens)
    groups = resources.targets.required()
    by_model: dict[str, list[ModelAccess]] = defaultdict(list)
    for target in (target for group in groups for target in group):
        by_model[target.model_id].append(target)
    totals = {model_id: RecordGroups(model_id, expected_output_tokens=output_tokens) for model_id in by_model}
    rejected = 0
    problems: list[str] = []
    for number, line in _lines(lines):
        try:
            record = decode_record(parse(line), default_id="record", model_ids=resources.targets.model_ids)
        except (InvalidJson, InvalidRequest) as error:
            rejected += 1
            if len(problems) < _MAX_PROBLEMS:
                problems.append(f"line {number}: {error}")
            continue
        fields = _fields(record)
        fields["inferenceConfig"] = {**defaults, **fields.get("inferenceConfig", {})}
        for total in totals.values():
            total.add(fields)
    costs = tuple(_model_cost(resources, by_model[model_id], total) for model_id, total in totals.items())
    first = next(iter(totals.values()))
    records = first.records
    lanes = _lanes(by_model, costs, first, options=lane_options) if records else None
    return FileCostEstimate(records, rejected, costs, tuple(problems), lanes)


def _model_cost(resources: ManagerResources, targets: list[ModelAccess], total: RecordGroups) -> ModelCost:
    target, records = targets[0], total.records
    reason = _PROMPT if is_managed_prompt(target.model_id) else None
    usd = None if reason else total.on_demand_usd(partial(_price, target))
    return ModelCost(
        model=target.model_id,
        input_tokens=total.input_tokens,
        output_tokens=total.output_tokens,
        usd=usd,
        reason=reason or (UNPRICED if usd is None else None),
        usd_per_record=usd / records if usd is not None and records else None,
        quota_seconds=_quota_seconds(resources, targets, tokens=total.quota_tokens, records=records),
    )


def _price(target: ModelAccess, usage: Mapping[str, int], tier: str | None) -> float | None:
    return price(target, usage, service_tier=tier)


def _lanes(
    targets: Mapping[str, list[ModelAccess]],
    costs: tuple[ModelCost, ...],
    totals: RecordGroups,
    *,
    options: LaneOptions,
) -> LaneComparison:
    """Return the comparison of the lanes. All but on demand use the first model only."""
    model_id = costs[0].model
    target = targets[model_id][0]
    profile_id = target.priced_profile_id
    return compare_lanes(
        totals,
        options,
        model=target.model_name,
        price=partial(_price, target),
        unavailable={
            lane: no_price_text(target.model_name, lane)
            for lane in (Lane.FLEX, Lane.MANAGED)
            if not offers_tier(model_id, lane.price_tier, inference_profile_id=profile_id)
        },
        quota_seconds=costs[0].quota_seconds,
        fails_over=len(targets) > 1,
    )


def _quota_seconds(
    resources: ManagerResources, targets: list[ModelAccess], *, tokens: int, records: int
) -> float | None:
    """Return how long the known quotas of a model's targets make the records; None if they are unknown."""
    quotas = resources.quotas
    # Several profiles can share an access method, and so its quota.
    distinct = {(target.region, target.access_method): target for target in targets}.values()
    found = [quotas.source.quota(target) for target in distinct]
    capacity = QuotaCapacity.of_targets(
        [
            AccessQuota(_part(quota.tokens, quotas.share), _part(quota.requests, quotas.share))
            for quota in found
        ],
        reserve=quotas.reserve,
    )
    return capacity.seconds(tokens=tokens, requests=records)


def _part(amount: float | None, share: float) -> float | None:
    return None if amount is None else amount * share


def _lines(lines: str | os.PathLike[str] | Iterable[str | bytes]) -> Iterator[tuple[int, bytes]]:
    """Yield the lines of a file that are not blank, with their numbers from 1."""
    if isinstance(lines, str | os.PathLike):
        with open(lines, "rb") as file:
            yield from _lines(file)
        return
    if isinstance(lines, bytes) or not isinstance(lines, Iterable):
        raise ConfigurationError(f"lines must be a path or an iterable of lines (got {type(lines).__name__})")
    for number, line in enumerate(lines, start=1):
        if not isinstance(line, str | bytes):
            raise ConfigurationError(f"lines[{number - 1}] must be str or bytes (got {type(line).__name__})")
        text = without_byte_order_mark(line.encode() if isinstance(line, str) else line).strip()
        if text:
            yield number, text


def _fields(record: BedrockConverseRequest) -> dict[str, Any]:
    """Return the values of a request that are not None, by the JSON name of its attributes."""
    values = {field: getattr(record, name) for name, field in REQUEST_FIELDS.items()}
    return {field: value for field, value in values.items() if value is not None}
