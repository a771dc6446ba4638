"""Convert money between USD, as APIs show it, and nano-dollars, as it is counted."""

from __future__ import annotations

import math

from lambdas.usage.budget import NANO_PER_USD

# Digits of a nano-dollar that are not errors of floating point.
_DIGITS = 3


def nano_dollars(usd: float) -> int:
    """Return an amount of USD in nano-dollars, rounded up, so that a sum is never below its parts."""
    return math.ceil(round(usd * NANO_PER_USD, _DIGITS))


def dollars(nano: int) -> float:
    """Return an amount of nano-dollars in USD."""
    return nano / NANO_PER_USD
