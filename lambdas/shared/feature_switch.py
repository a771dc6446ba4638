"""The member `featureFallback` of a request or a batch."""

from __future__ import annotations

from typing import Any

from lambdas.shared.codec import InvalidRequest

FIELD = "featureFallback"


def read_feature_fallback(value: Any) -> bool:
    """Return whether content and tuning parameters that a model refuses may be left out; True for None.

    Raises:
        InvalidRequest: the value is neither true, false nor null.
    """
    if value is None or isinstance(value, bool):
        return value is not False
    raise InvalidRequest([f"{FIELD}: must be true or false (got {value!r:.100})"])
