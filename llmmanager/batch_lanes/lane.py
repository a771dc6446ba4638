"""The lanes of a batch: the ways to run a record."""

from __future__ import annotations

from enum import StrEnum


class Lane(StrEnum):
    """How a record of a batch runs.

    Attributes:
        ON_DEMAND: Converse in the default service tier.
        FLEX: Converse in the flex service tier: about half the price, but slower and throttled earlier.
        MANAGED: a managed batch job of Bedrock: half the price, but without a promised duration.
    """

    ON_DEMAND = "onDemand"
    FLEX = "flex"
    MANAGED = "managed"

    @property
    def price_tier(self) -> str | None:
        """The service tier whose prices apply in `llmmanager.bedrock.pricing`; None for on demand."""
        return _PRICE_TIERS.get(self)


_PRICE_TIERS = {Lane.FLEX: "flex", Lane.MANAGED: "batch"}

AUTO = "auto"
"""The `lane` of a batch that uses the cheapest lane that can meet its deadline."""

LANES = (AUTO, *(lane.value for lane in Lane))
"""The values of `lane` in the start input of a batch. The first one is the default."""


class LaneUnavailable(Exception):
    """No record of a batch can use the requested lane. The message has the field, the lane and the reason.

    Attributes:
        lane: the requested lane.
    """

    def __init__(self, lane: Lane, reason: str) -> None:
        super().__init__(f"lane: {lane.value} is not available: {reason}")
        self.lane = lane
