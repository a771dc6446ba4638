"""Converse's `requestMetadata`, which AWS writes to the log of model invocations."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

from lambdas.streaming_api.json_fields import read_object, read_text
from lambdas.streaming_api.mapping_error import MappingError

_ACCEPTED = re.compile(r"[a-zA-Z0-9\s:_@$#=/+,\-.]*")
_MAX_LENGTH = 256
# AWS accepts 16. `caller` and `team` are added.
_MAX_ENTRIES = 14
_LIKE = f"at most {_MAX_LENGTH} letters, digits, spaces and : _ @ $ # = / + , - ."


def request_metadata(metadata: Any, users: Mapping[str, Any]) -> tuple[dict[str, str], list[str]]:
    """Return the metadata of a request.

    Args:
        metadata: the client's field `metadata`, or None.
        users: the client's other fields that identify a user, by name. A value that AWS does not accept is
            replaced by its SHA-256 hash. Null is left out.

    Returns:
        At most 14 entries, and the names of fields in `users` for which there is no room.

    Raises:
        MappingError: AWS does not accept an entry.
    """
    given = read_object(metadata, "metadata") if metadata is not None else {}
    if len(given) > _MAX_ENTRIES:
        raise MappingError(
            "metadata",
            f"must have at most {_MAX_ENTRIES} entries, because caller and team are added (got {len(given)})",
        )
    entries = {}
    for name, value in given.items():
        path = f"metadata.{name[:_MAX_LENGTH]}"
        if not name or not _is_accepted(name):
            raise MappingError(path, f"must have a name of {_LIKE}")
        entries[name] = read_text(value, path)
        if not _is_accepted(value):
            raise MappingError(path, f"must be {_LIKE}")
    ignored = []
    for name, value in users.items():
        if value is None:
            continue
        user = read_text(value, name)
        if name in entries or len(entries) == _MAX_ENTRIES:
            ignored.append(name)
        elif user:
            entries[name] = user if _is_accepted(user) else _hash(user)
    return entries, ignored


def _is_accepted(text: str) -> bool:
    return len(text) <= _MAX_LENGTH and _ACCEPTED.fullmatch(text) is not None


def _hash(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()}"
