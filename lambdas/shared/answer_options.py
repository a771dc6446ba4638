"""The fields `featureFallback` and `maxCostMultiple` of a request or a batch."""

from __future__ import annotations

import sys
from typing import Any

from llmmanager.json_format.codec import InvalidRequest

FEATURE_FALLBACK = "featureFallback"
MAX_COST_MULTIPLE = "maxCostMultiple"


def read_feature_fallback(value: Any) -> bool:
    """Return whether unsupported content and tuning parameters may be removed; True for None.

    Raises:
        InvalidRequest: the value is neither true, false nor null.
    """
    if value is None or isinstance(value, bool):
        return value is not False
    raise InvalidRequest([f"{FEATURE_FALLBACK}: must be true or false (got {value!r:.100})"])


def read_max_cost_multiple(value: Any) -> float | None:
    """Return the maximum cost of another target, as a multiple of the first model's cost; None for no limit.

    Raises:
        InvalidRequest: the value is neither a number of at least 1 nor null.
    """
    if value is None:
        return None
    if isinstance(value, int | float) and not isinstance(value, bool) and 1 <= value <= sys.float_info.max:
        return value
    raise InvalidRequest([f"{MAX_COST_MULTIPLE}: must be a number of at least 1 (got {value!r:.100})"])
