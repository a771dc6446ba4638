"""How long the quotas make a batch, estimated while the batch is planned."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from lambdas.batch.records import Record
from lambdas.shared.manager import RequestTargets, catalog
from lambdas.shared.settings import batch_settings
from llmmanager.bedrock.catalog.model_table import model_data
from llmmanager.bedrock.invocation.quota_cost import input_tokens, most_output_tokens
from llmmanager.bedrock.quota_capacity import QuotaCapacity
from llmmanager.bedrock.routing.quota_gates import window_seconds


@dataclass
class QuotaNeed:
    """What the records of a batch take of the quotas of its first model, added up record by record.

    Attributes:
        requests: number of records.
        least_tokens: the input alone.
        most_tokens: with an output of `maxTokens`, or of the model's maximum.
    """

    model_id: str
    requests: int = 0
    least_tokens: int = 0
    most_tokens: int = 0

    def add(self, record: Record, line: bytes) -> None:
        """Count a record.

        Args:
            line: the record as a line of its shard.
        """
        messages = record.request.messages
        taken = input_tokens({"messages": messages if isinstance(messages, list) else None}, line)
        request = {"inferenceConfig": record.request.inference_config}
        data = model_data(self.model_id)
        burndown = (data.output_burndown if data else None) or 1
        self.requests += 1
        self.least_tokens += taken
        self.most_tokens += taken + most_output_tokens(request, self.model_id) * burndown


@dataclass(frozen=True)
class QuotaEstimate:
    """How long the quotas make a batch.

    Attributes:
        tokens_per_minute, requests_per_minute: what all targets of the first model admit together, after the
            part that is left to single requests; None for an amount that is unknown.
        least_seconds: if no record had any output.
        most_seconds: if each record had an output of `maxTokens`, and listed requests were enforced.
        warning: why the deadline of the batch will or may not be met; None when it will.
    """

    tokens_per_minute: float | None
    requests_per_minute: float | None
    least_seconds: int
    most_seconds: int
    warning: str | None = None

    def to_members(self) -> dict[str, Any]:
        """Return the estimate as it is reported."""
        names = ("tokensPerMinute", "requestsPerMinute", "atLeastSeconds", "atMostSeconds", "warning")
        return dict(zip(names, asdict(self).values(), strict=True))


def estimate(need: QuotaNeed, targets: RequestTargets, *, seconds_left: float | None) -> QuotaEstimate | None:
    """Return how long the quotas make a batch; None when the quota of a target is unknown.

    Args:
        seconds_left: until the batch's deadline; None for a batch without one.
    """
    # The quotas may have been refreshed since this process read them.
    catalog().load_cached_data()
    model, known = targets.models[0], catalog().ensure_data_available()
    ways = [way for region in targets.regions for way in catalog().access(model, region)]
    offered = [(way, known.region(way.region)) for way in ways]
    capacity = QuotaCapacity.of_targets(
        [region.quota(way.model_id, way.access_method) if region else None for way, region in offered],
        reserve=batch_settings().single_request_share,
    )
    minute = window_seconds()
    most = capacity.seconds(tokens=need.most_tokens, requests=need.requests, minute=minute)
    if most is None:
        return None
    # What one window admits can be sent at once. AWS may list requests that it does not enforce.
    tokens_alone = QuotaCapacity(capacity.tokens_per_minute)
    least = (tokens_alone.seconds(tokens=need.least_tokens, requests=0, minute=minute) or 0.0) - minute
    found = QuotaEstimate(
        capacity.tokens_per_minute, capacity.requests_per_minute, round(max(least, 0.0)), round(most)
    )
    return found if seconds_left is None else _with_warning(found, model, seconds_left)


def _with_warning(found: QuotaEstimate, model: str, seconds_left: float) -> QuotaEstimate:
    if found.most_seconds <= seconds_left:
        return found
    if found.least_seconds > seconds_left:
        takes = f"make the batch take at least {found.least_seconds:,} s: the deadline cannot be met"
    else:
        takes = f"can make the batch take up to {found.most_seconds:,} s: the deadline may not be met"
    left = f"deadlineSeconds: the batch has {max(seconds_left, 0):,.0f} s"
    return replace(found, warning=f"{left}, and the quotas of {model:.100} {takes}")
