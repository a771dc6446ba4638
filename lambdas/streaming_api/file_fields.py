"""Images and files as OpenAI's APIs send them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lambdas.streaming_api.conversation import LocatedBlock
from lambdas.streaming_api.json_fields import optional_text, read_text
from lambdas.streaming_api.mapping_error import missing, unsupported
from lambdas.streaming_api.media import DataUrl, file_block, image_block, read_base64, read_data_url


def read_image(value: Any, path: str) -> LocatedBlock:
    """Return the block of an image with a data URL.

    Raises:
        MappingError: the URL is another URL, or no image.
    """
    return LocatedBlock(image_block(read_data_url(read_text(value, path), path).content, path), path)


def read_file(fields: Mapping[str, Any], path: str) -> LocatedBlock:
    """Return the block of a file with `file_data`, and perhaps `filename`.

    Args:
        fields: the object with these fields.
        path: its path.

    Raises:
        MappingError: the file has an id instead of data, or is invalid.
    """
    if fields.get("file_id") is not None:
        raise unsupported(f"{path}.file_id", "files are not stored; send the file in file_data")
    if fields.get("file_data") is None:
        raise missing(f"{path}.file_data")
    here, name = f"{path}.file_data", optional_text(fields.get("filename"), f"{path}.filename")
    text = read_text(fields["file_data"], here)
    # Some clients send base64 without the beginning of a data URL. Base64 has no colon.
    url = read_data_url(text, here) if ":" in text[:256] else DataUrl("", read_base64(text, here))
    return LocatedBlock(file_block(url.content, here, name=name, media_type=url.media_type), here)
