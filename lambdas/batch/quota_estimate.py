"""Estimate, while a batch is planned, how long it takes under its quotas."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from lambdas.shared.manager import RequestTargets, catalog
from lambdas.shared.settings import batch_settings
from llmmanager.batch_lanes.record_groups import RecordGroups
from llmmanager.bedrock.quota_capacity import QuotaCapacity
from llmmanager.bedrock.routing.quota_gates import window_seconds


@dataclass(frozen=True)
class QuotaEstimate:
    """How long a batch takes under its quotas.

    Attributes:
        tokens_per_minute, requests_per_minute: total quotas of all targets of the first model, without the
            share that is reserved for single requests; None if unknown.
        least_seconds: duration if no record has an output.
        most_seconds: duration if each record has an output of `maxTokens`, and AWS enforces the quota of
            requests.
        warning: why the batch will or may miss its deadline; None if it meets the deadline.
    """

    tokens_per_minute: float | None
    requests_per_minute: float | None
    least_seconds: int
    most_seconds: int
    warning: str | None = None

    def to_members(self) -> dict[str, Any]:
        """Return the `quotaEstimate` of `GET /v1/batches/{id}`."""
        names = ("tokensPerMinute", "requestsPerMinute", "atLeastSeconds", "atMostSeconds", "warning")
        return dict(zip(names, asdict(self).values(), strict=True))


def estimate(
    totals: RecordGroups, targets: RequestTargets, *, seconds_left: float | None
) -> QuotaEstimate | None:
    """Return how long a batch takes under its quotas; None if the quota of a target is unknown.

    Args:
        totals: the records of the batch.
        seconds_left: seconds until the deadline of the batch; None without a deadline.
    """
    capacity = batch_capacity(targets)
    minute = window_seconds()
    most = capacity.seconds(tokens=totals.most_quota_tokens, requests=totals.records, minute=minute)
    if most is None:
        return None
    # The requests of the first window can be sent at once. AWS does not enforce every quota of requests.
    tokens_only = QuotaCapacity(capacity.tokens_per_minute)
    least = (tokens_only.seconds(tokens=totals.input_quota_tokens, requests=0, minute=minute) or 0.0) - minute
    found = QuotaEstimate(
        capacity.tokens_per_minute, capacity.requests_per_minute, round(max(least, 0.0)), round(most)
    )
    return found if seconds_left is None else _with_warning(found, targets.models[0], seconds_left)


def batch_capacity(targets: RequestTargets) -> QuotaCapacity:
    """Return what the quotas of all targets of the first model admit for batches together."""
    # Another process may have refreshed the quotas.
    catalog().load_cached_data()
    model, known = targets.models[0], catalog().ensure_data_available()
    methods = [method for region in targets.regions for method in catalog().access(model, region)]
    offered = [(method, known.region(method.region)) for method in methods]
    return QuotaCapacity.of_targets(
        [
            region.quota(method.model_id, method.access_method) if region else None
            for method, region in offered
        ],
        reserve=batch_settings().single_request_share,
    )


def _with_warning(found: QuotaEstimate, model: str, seconds_left: float) -> QuotaEstimate:
    if found.most_seconds <= seconds_left:
        return found
    if found.least_seconds > seconds_left:
        takes = f"make the batch take at least {found.least_seconds:,} s: the deadline cannot be met"
    else:
        takes = f"can make the batch take up to {found.most_seconds:,} s: the deadline may not be met"
    left = f"deadlineSeconds: the batch has {max(seconds_left, 0):,.0f} s"
    return replace(found, warning=f"{left}, and the quotas of {model:.100} {takes}")
