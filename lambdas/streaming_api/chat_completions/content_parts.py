"""Content of messages: a string, or a list of parts."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from lambdas.streaming_api.cache_points import read_breakpoint, read_cache_point
from lambdas.streaming_api.conversation import LocatedBlock
from lambdas.streaming_api.file_fields import read_file, read_image
from lambdas.streaming_api.json_fields import (
    read_choice,
    read_list,
    read_object,
    read_text,
    required,
)
from lambdas.streaming_api.media import audio_block, read_base64

TEXT_PARTS = ("text",)
ASSISTANT_PARTS = ("text", "refusal")
TOOL_PARTS = ("text", "image_url", "file")
USER_PARTS = ("text", "image_url", "input_audio", "file")


def content_blocks(message: Mapping[str, Any], path: str, types: Collection[str]) -> Iterator[LocatedBlock]:
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
        yield LocatedBlock({"text": content}, here)
    elif content is not None:
        for index, item in enumerate(read_list(content, here)):
            yield from _part_blocks(read_object(item, f"{here}[{index}]"), f"{here}[{index}]", types)
    point = read_cache_point(message, path)
    if point is not None:
        yield LocatedBlock(point, f"{path}.cache_control")


def _part_blocks(part: Mapping[str, Any], path: str, types: Collection[str]) -> Iterator[LocatedBlock]:
    type_ = read_choice(required(part, "type", f"{path}.type"), f"{path}.type", types)
    match type_:
        case "text" | "refusal":
            text = read_text(required(part, type_, f"{path}.{type_}"), f"{path}.{type_}")
            yield LocatedBlock({"text": text}, f"{path}.{type_}")
        case "image_url":
            yield _image(part, path)
        case "input_audio":
            yield _audio(part, path)
        case _:
            yield _file(part, path)
    point = read_cache_point(part, path) or read_breakpoint(part, path)
    if point is not None:
        yield LocatedBlock(point, path)


def _image(part: Mapping[str, Any], path: str) -> LocatedBlock:
    given = required(part, "image_url", f"{path}.image_url")
    # Some clients send the URL itself.
    fields = {"url": given} if isinstance(given, str) else read_object(given, f"{path}.image_url")
    here = f"{path}.image_url.url"
    return read_image(required(fields, "url", here), here)


def _audio(part: Mapping[str, Any], path: str) -> LocatedBlock:
    here = f"{path}.input_audio"
    fields = read_object(required(part, "input_audio", here), here)
    data = read_base64(read_text(required(fields, "data", f"{here}.data"), f"{here}.data"), f"{here}.data")
    audio_format = read_text(required(fields, "format", f"{here}.format"), f"{here}.format")
    return LocatedBlock(audio_block(data, audio_format, f"{here}.format"), f"{here}.data")


def _file(part: Mapping[str, Any], path: str) -> LocatedBlock:
    here = f"{path}.file"
    return read_file(read_object(required(part, "file", here), here), here)
