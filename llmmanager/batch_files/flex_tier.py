"""Send the requests of records in the flex tier."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from llmmanager.batch_lanes.record_needs import flex_obstacle
from llmmanager.bedrock.invocation.parameter_edits import OptionalTier
from llmmanager.bedrock.models.parallel_structures import BedrockConverseRequest
from llmmanager.json_format.codec import REQUEST_FIELDS

R = TypeVar("R", bound=BedrockConverseRequest)


def with_flex_tier(request: R) -> R:
    """Return the request in the flex tier, or unchanged if it cannot use that tier."""
    fields = {camel: getattr(request, name) for name, camel in REQUEST_FIELDS.items()}
    if flex_obstacle(fields) is not None:
        return request
    return replace(request, service_tier=OptionalTier(type="flex"))


def has_flex_tier(request: BedrockConverseRequest) -> bool:
    """Whether `with_flex_tier` has changed the request."""
    return isinstance(request.service_tier, OptionalTier)


def without_flex_tier(request: R) -> R:
    """Return the request as it was before `with_flex_tier`."""
    return replace(request, service_tier=None) if has_flex_tier(request) else request
