"""Read the API key from the headers of a request."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from lambdas.api_keys.key_text import KeyText, parse_key

_BEARER: Final = re.compile(r"bearer +(?P<key>\S+)", re.IGNORECASE)
_HEADERS: Final = ("authorization", "x-api-key")
_SPACE: Final = " \t"


def presented_key(event: Mapping[str, Any]) -> KeyText | None:
    """Return the key of a request, or None if it has no well-formed key.

    The headers are `Authorization: Bearer <key>` and `x-api-key: <key>`. If a request has several, all must
    have the same key: API Gateway caches the result of the authorizer under one of them, so a result must not
    depend on another one.

    Args:
        event: the event of an authorizer, with `headers` and `multiValueHeaders`.
    """
    keys = {_read(name, value) for name, value in _credentials(event)}
    return keys.pop() if len(keys) == 1 else None


def _credentials(event: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield name and value of each header with a credential. An empty header counts as missing."""
    for source in ("headers", "multiValueHeaders"):
        for name, given in (event.get(source) or {}).items():
            if name.lower() in _HEADERS:
                for value in given if isinstance(given, list) else [given]:
                    if stripped := str(value).strip(_SPACE):
                        yield name.lower(), stripped


def _read(name: str, value: str) -> KeyText | None:
    if name == "x-api-key":
        return parse_key(value)
    match = _BEARER.fullmatch(value)
    return parse_key(match["key"]) if match else None
