"""What a benchmark finds: one figure, the bar it is held against, and what it was made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One figure of one run.

    Attributes:
        what: what was measured, in a few words.
        value: the figure; smaller is better.
        unit: "x boto3" for a ratio taken in one run, else "ms", "s", "MB", "calls" and so on.
        bar: what it must not exceed, None without a limit.
        stretch: what would be better still.
        parts: what the figure was made of, by name: seconds of each side of a ratio, for example.
        note: what a reader has to know besides.
    """

    what: str
    value: float
    unit: str
    bar: float | None = None
    stretch: float | None = None
    parts: Mapping[str, float] = field(default_factory=dict)
    note: str = ""
