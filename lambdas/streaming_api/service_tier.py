"""OpenAI's service tiers and those of Bedrock."""

from __future__ import annotations

from typing import Any

from lambdas.streaming_api.json_fields import read_choice
from llmmanager import BedrockResponse

_TIERS = {
    "auto": None,
    "default": "default",
    "flex": "flex",
    "priority": "priority",
    "fast": "priority",
}
_REPORTED = ("default", "flex", "priority")


def service_tier(value: Any) -> dict[str, Any] | None:
    """Return Converse's `serviceTier` for the value of `service_tier`, or None.

    Raises:
        MappingError: Bedrock has no such tier.
    """
    if value is None:
        return None
    tier = _TIERS[read_choice(value, "service_tier", _TIERS)]
    return {"type": tier} if tier is not None else None


def service_tier_of(response: BedrockResponse) -> str | None:
    """Return the service tier that Bedrock reports, or None."""
    tier = ((response.response_data or {}).get("serviceTier") or {}).get("type")
    return tier if tier in _REPORTED else None
