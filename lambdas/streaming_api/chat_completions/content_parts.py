"""Content of messages: a string, or a list of parts."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from lambdas.streaming_api.cache_points import read_cache_point
from lambdas.streaming_api.conversation import ContentBlock
from lambdas.streaming_api.json_fields import (
    optional_text,
    read_choice,
    read_list,
    read_object,
    read_text,
    required,
)
from lambdas.streaming_api.mapping_error import missing, unsupported
from lambdas.streaming_api.media import (
    DataUrl,
    audio_block,
    file_block,
    image_block,
    read_base64,
    read_data_url,
)

TEXT_PARTS = ("text",)
ASSISTANT_PARTS = ("text", "refusal")
TOOL_PARTS = ("text", "image_url", "file")
USER_PARTS = ("text", "image_url", "input_audio", "file")
_BREAKPOINT = "prompt_cache_breakpoint"


def content_blocks(message: Mapping[str, Any], path: str, types: Collection[str]) -> Iterator[ContentBlock]:
    """Yield the blocks of a message's content, with the cache points that follow them.

    Args:
        message: the message. Its content may be missing or null.
        path: the path of the message.
        types: the types of parts that the message may contain.

    Raises:
        MappingError: a part is invalid or cannot be mapped.
    """
    content, here = message.get("content"), f"{path}.content"
    if isinstance(content, str):
        yield ContentBlock({"text": content}, here)
    elif content is not None:
        for index, item in enumerate(read_list(content, here)):
            yield from _part_blocks(read_object(item, f"{here}[{index}]"), f"{here}[{index}]", types)
    point = read_cache_point(message, path)
    if point is not None:
        yield ContentBlock(point, f"{path}.cache_control")


def _part_blocks(part: Mapping[str, Any], path: str, types: Collection[str]) -> Iterator[ContentBlock]:
    type_ = read_choice(required(part, "type", f"{path}.type"), f"{path}.type", types)
    match type_:
        case "text" | "refusal":
            text = read_text(required(part, type_, f"{path}.{type_}"), f"{path}.{type_}")
            yield ContentBlock({"text": text}, f"{path}.{type_}")
        case "image_url":
            yield _image(part, path)
        case "input_audio":
            yield _audio(part, path)
        case _:
            yield _file(part, path)
    point = read_cache_point(part, path) or _breakpoint(part, path)
    if point is not None:
        yield ContentBlock(point, path)


def _image(part: Mapping[str, Any], path: str) -> ContentBlock:
    given = required(part, "image_url", f"{path}.image_url")
    # Some clients send the URL itself.
    fields = {"url": given} if isinstance(given, str) else read_object(given, f"{path}.image_url")
    here = f"{path}.image_url.url"
    url = read_data_url(read_text(required(fields, "url", here), here), here)
    return ContentBlock(image_block(url.content, here), here)


def _audio(part: Mapping[str, Any], path: str) -> ContentBlock:
    here = f"{path}.input_audio"
    fields = read_object(required(part, "input_audio", here), here)
    data = read_base64(read_text(required(fields, "data", f"{here}.data"), f"{here}.data"), f"{here}.data")
    audio_format = read_text(required(fields, "format", f"{here}.format"), f"{here}.format")
    return ContentBlock(audio_block(data, audio_format, f"{here}.format"), f"{here}.data")


def _file(part: Mapping[str, Any], path: str) -> ContentBlock:
    here = f"{path}.file"
    fields = read_object(required(part, "file", here), here)
    if fields.get("file_id") is not None:
        raise unsupported(f"{here}.file_id", "files are not stored; send the file in file_data")
    given = fields.get("file_data")
    if given is None:
        raise missing(f"{here}.file_data")
    here, name = f"{here}.file_data", optional_text(fields.get("filename"), f"{here}.filename")
    text = read_text(given, here)
    # Some clients send base64 without the beginning of a data URL. Base64 has no colon.
    url = read_data_url(text, here) if ":" in text[:256] else DataUrl("", read_base64(text, here))
    return ContentBlock(file_block(url.content, here, name=name, media_type=url.media_type), here)


def _breakpoint(part: Mapping[str, Any], path: str) -> Mapping[str, Any] | None:
    """Return the cache point for OpenAI's breakpoint. A lifetime becomes Converse's longest, one hour."""
    if part.get(_BREAKPOINT) is None:
        return None
    given = read_object(part[_BREAKPOINT], f"{path}.{_BREAKPOINT}")
    lifetime = {"ttl": "1h"} if given.get("ttl") is not None else {}
    return {"cachePoint": {"type": "default", **lifetime}}
