"""Pages of the lists of the `bedrock` service."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any

from .errors import invalid

_MAX_RESULTS = 1000


def page_of(
    items: Sequence[Mapping[str, Any]], query: Mapping[str, str], *, name: str, page_size: int
) -> dict[str, Any]:
    """Return the page of a list that a query asks for with `maxResults` and `nextToken`.

    Args:
        name: the member of the answer with the items.
        page_size: the default number of items on a page.

    Raises:
        ServiceError: the query is invalid.
    """
    size, start = _size(query.get("maxResults"), page_size), _start(query.get("nextToken"), name, len(items))
    answer: dict[str, Any] = {name: list(items[start : start + size])}
    if start + size < len(items):
        answer["nextToken"] = base64.urlsafe_b64encode(f"{name}:{start + size}".encode()).decode()
    return answer


def _size(value: str | None, default: int) -> int:
    if value is None:
        return default
    if not value.isdecimal() or not 1 <= int(value) <= _MAX_RESULTS:
        raise invalid(
            f"1 validation error detected: Value '{value}' at 'maxResults' failed to satisfy constraint: "
            f"Member must have value between 1 and {_MAX_RESULTS}"
        )
    return int(value)


def _start(token: str | None, name: str, total: int) -> int:
    if token is None:
        return 0
    try:
        label, _, number = base64.urlsafe_b64decode(token).decode().partition(":")
        if label == name and 0 < int(number) < total:
            return int(number)
    except (binascii.Error, ValueError):
        pass
    raise invalid("The pagination token is invalid.")
