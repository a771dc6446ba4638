"""Figures about lanes as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from llmmanager.batch_lanes.lane import Lane
from llmmanager.batch_report.number_formats import dollars

if TYPE_CHECKING:
    from llmmanager.batch_lanes.lane_times import LaneSeconds

WHERE = {
    Lane.ON_DEMAND: "on demand",
    Lane.FLEX: "in the flex tier",
    Lane.MANAGED: "in managed batch jobs",
}
"""Where the records of a lane run."""


def no_price_text(model: str, lane: Lane) -> str:
    """Return why no record can use a lane that a model does not offer."""
    return f"{model} has no price {WHERE[lane]}"


def remark(estimate: Mapping[str, Any]) -> str:
    """Return why a lane is not possible or may be late; empty for another one.

    Args:
        estimate: one of the `estimates` of a batch, as the HTTP API returns them.
    """
    if estimate["reason"] is None:
        return ""
    return f"{'may be late' if estimate['possible'] else 'not possible'}: {estimate['reason']}"


def usd_text(usd: float | None) -> str:
    """Return a cost, such as "about 12.40 USD", or with three significant digits below one dollar."""
    if usd is None:
        return "at an unknown price"
    return f"about {dollars(usd).removeprefix('$')} USD"


def time_text(seconds: float) -> str:
    """Return a time, such as "2 h 5 min"."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    hours, rest = divmod(minutes, 60)
    return " ".join(part for part in (f"{hours:,} h" if hours else "", f"{rest} min" if rest else "") if part)


def times_text(seconds: LaneSeconds, lane: Lane) -> str:
    """Return how long a lane takes, and then the records that it leaves."""
    own = f"up to {time_text(seconds.of(lane))}"
    return own if lane is Lane.ON_DEMAND else f"{own}, then up to {time_text(seconds.on_demand)} on demand"
