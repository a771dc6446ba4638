"""The source of an image or a document. It must be in the request."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from lambdas.streaming_api.json_fields import read_object, read_text, required
from lambdas.streaming_api.mapping_error import MappingError, unsupported
from lambdas.streaming_api.media import read_base64


def read_source(block: Mapping[str, Any], path: str, types: Collection[str]) -> tuple[str, Mapping[str, Any]]:
    """Return the type and the fields of a block's source.

    Args:
        path: the path of the block.
        types: the accepted types.

    Raises:
        MappingError: the source is missing, a URL, the id of a file, or of another type.
    """
    here = f"{path}.source"
    source = read_object(required(block, "source", here), here)
    type_ = required(source, "type", f"{here}.type")
    if type_ == "url":
        raise unsupported(f"{here}.url", "files are not downloaded; send the file as base64")
    if type_ == "file":
        raise unsupported(f"{here}.file_id", "files are not stored; send the file as base64")
    if type_ not in types:
        raise MappingError(f"{here}.type", f"must be one of {', '.join(types)}")
    return type_, source


def read_data(source: Mapping[str, Any], path: str) -> bytes:
    """Return the bytes of a base64 source. `path` is the path of the block."""
    here = f"{path}.source.data"
    return read_base64(read_text(required(source, "data", here), here), here)
