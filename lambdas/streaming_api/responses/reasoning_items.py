"""The reasoning of a model as an item, which a client sends back unchanged.

Claude demands its reasoning, with the signature, in the turns of a tool loop. `encrypted_content` of the item
has both, so that nothing is stored. It is base64 of a JSON document, and not encrypted: the summary of the
item has the same text.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from lambdas.streaming_api.json_fields import read_text
from lambdas.streaming_api.mapping_error import MappingError
from lambdas.streaming_api.media import read_base64
from llmmanager.json_format.json_text import InvalidJson, parse

_PREFIX = "converse:"


def encrypted_content(text: str, signature: str, redacted: bytes) -> str | None:
    """Return the `encrypted_content` for a model's reasoning, or None for reasoning without a signature.

    Claude and Nova reject reasoning without a signature, and no model demands it.

    Args:
        redacted: reasoning that the model has encrypted itself. It has no text and no signature.
    """
    if redacted:
        content = {"redacted": base64.b64encode(redacted).decode("ascii")}
    elif signature:
        content = {"text": text, "signature": signature}
    else:
        return None
    return _PREFIX + base64.b64encode(json.dumps(content).encode("utf-8")).decode("ascii")


def is_foreign(item: Mapping[str, Any]) -> bool:
    """Whether another API encrypted the reasoning of an item, so that it has no effect."""
    content = item.get("encrypted_content")
    return content is not None and not str(content).startswith(_PREFIX)


def reasoning_block(item: Mapping[str, Any], path: str) -> Mapping[str, Any] | None:
    """Return Converse's block for an item, or None if it has no signature or is foreign.

    Args:
        path: the path of the item.

    Raises:
        MappingError: the content was changed.
    """
    here = f"{path}.encrypted_content"
    if item.get("encrypted_content") is None:
        return None
    given = read_text(item["encrypted_content"], here)
    if is_foreign(item):
        return None
    fields = _fields(given.removeprefix(_PREFIX), here)
    text, signature, redacted = (fields.get(name) for name in ("text", "signature", "redacted"))
    if isinstance(redacted, str):
        return {"reasoningContent": {"redactedContent": read_base64(redacted, here)}}
    if isinstance(text, str) and isinstance(signature, str) and signature:
        return {"reasoningContent": {"reasoningText": {"text": text, "signature": signature}}}
    raise _changed(here)


def _fields(content: str, path: str) -> Mapping[str, Any]:
    try:
        fields = parse(read_base64(content, path).decode("utf-8"))
    except (InvalidJson, UnicodeDecodeError):
        raise _changed(path) from None
    if not isinstance(fields, dict):
        raise _changed(path)
    return fields


def _changed(path: str) -> MappingError:
    return MappingError(path, "must be the value of an earlier response, unchanged")
