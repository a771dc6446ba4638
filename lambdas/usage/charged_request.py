"""What is added to a request because its caller pays for it, and because a budget applies to it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any, Final, TypeVar

from lambdas.shared.manager import RequestTargets, catalog
from lambdas.shared.settings import budget_max_tokens
from lambdas.usage.caller import Caller
from llmmanager import BedrockConverseRequest
from llmmanager.json_format.codec import InvalidRequest

R = TypeVar("R", bound=BedrockConverseRequest)
_METADATA: Final = "requestMetadata"
_INFERENCE: Final = "inferenceConfig"
_MAX_TOKENS: Final = "maxTokens"
_MODEL_FIELDS: Final = "additionalModelRequestFields"


def with_metadata(request: R, caller: Caller, *, batch_id: str | None = None) -> R:
    """Return a valid request with the caller in its `requestMetadata`.

    Raises:
        InvalidRequest: there is no room for the caller.
    """
    metadata = caller.add_metadata(given_metadata(request), batch_id=batch_id)
    extra = dict(request.extra_request_fields or {})
    extra.pop(_METADATA, None)
    return replace(request, request_metadata=metadata, extra_request_fields=extra or None)


def given_metadata(request: BedrockConverseRequest) -> Mapping[str, Any] | None:
    """Return the `requestMetadata` that a valid request is sent with, or None."""
    # These fields replace the request's own.
    found: Mapping[str, Any] | None = (request.extra_request_fields or {}).get(
        _METADATA, request.request_metadata
    )
    return found


def with_max_tokens(request: R, model_ids: Iterable[str]) -> R:
    """Return a valid request with `maxTokens`: its own, or else the maximum for budgeted callers.

    The budget of Claude's thinking is added to that maximum, because it must be less than `maxTokens`. A
    request for the highest effort of Nova 2 is returned as it is, because the model rejects `maxTokens` then.

    Args:
        model_ids: the models that may answer.
    """
    extra = dict(request.extra_request_fields or {})
    inference: dict[str, Any] = {**(extra.pop(_INFERENCE, request.inference_config) or {})}
    if inference.get(_MAX_TOKENS) is not None:
        return request
    fields = extra.get(_MODEL_FIELDS, request.additional_model_request_fields) or {}
    if _member(fields, "reasoningConfig", "maxReasoningEffort") == "high":
        return request
    thinking = _member(fields, "thinking", "budget_tokens") or _member(
        fields, "reasoning_config", "budget_tokens"
    )
    inference[_MAX_TOKENS] = max_tokens(model_ids, thinking=thinking if isinstance(thinking, int) else 0)
    return replace(request, inference_config=inference, extra_request_fields=extra or None)


def max_tokens(model_ids: Iterable[str], *, thinking: int = 0) -> int:
    """Return the `maxTokens` of a budgeted caller's request that has none.

    This is the setting `budget_max_tokens` and the tokens for `thinking`, or the lowest maximum of the models
    that may answer.
    """
    # Imported here, since few callers have budgets.
    from llmmanager.bedrock.catalog.model_table import model_data

    models = [model_data(model_id) for model_id in model_ids]
    limits = [model.max_output_tokens for model in models if model is not None]
    return min([budget_max_tokens() + max(thinking, 0), *(limit for limit in limits if limit)])


def _member(fields: Mapping[str, Any], name: str, member: str) -> Any:
    value = fields.get(name)
    return value.get(member) if isinstance(value, Mapping) else None


def priced_targets(targets: RequestTargets) -> RequestTargets:
    """Return the targets of a budgeted caller's request: the models with a known price.

    Raises:
        InvalidRequest: no model has a known price.
    """
    priced = tuple(model for model in targets.models if _has_price(model, targets.regions))
    if not priced:
        models = ", ".join(targets.models)
        raise InvalidRequest([f"models: a budget applies to this call, and no price is known for {models}"])
    return replace(targets, models=priced)


@lru_cache(256)
def _has_price(model: str, regions: tuple[str, ...]) -> bool:
    """Whether the price of a model is known for each of its targets in these regions."""
    from llmmanager.bedrock.invocation.cost_limit import unpriced

    groups = [catalog().access(model, region) for region in regions]
    return not unpriced(groups)
