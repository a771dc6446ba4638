"""Content of messages and of results of tools: a string, or a list of parts."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from lambdas.streaming_api.cache_points import read_breakpoint, read_cache_point
from lambdas.streaming_api.conversation import LocatedBlock
from lambdas.streaming_api.file_fields import read_file, read_image
from lambdas.streaming_api.json_fields import read_choice, read_list, read_object, read_text, required
from lambdas.streaming_api.mapping_error import unsupported

TEXT_PARTS = ("input_text", "output_text")
ASSISTANT_PARTS = (*TEXT_PARTS, "refusal")
USER_PARTS = (*TEXT_PARTS, "input_image", "input_file")


def content_blocks(content: Any, path: str, types: Collection[str]) -> Iterator[LocatedBlock]:
    """Yield the blocks of some content, with the cache points that follow them.

    Args:
        types: the types of parts that the content may have.

    Raises:
        MappingError: a part is invalid or cannot be mapped.
    """
    if isinstance(content, str):
        yield LocatedBlock({"text": content}, path)
        return
    for index, item in enumerate(read_list(content, path)):
        here = f"{path}[{index}]"
        part = read_object(item, here)
        yield _block(part, here, types)
        point = read_cache_point(part, here) or read_breakpoint(part, here)
        if point is not None:
            yield LocatedBlock(point, here)


def _block(part: Mapping[str, Any], path: str, types: Collection[str]) -> LocatedBlock:
    type_ = read_choice(required(part, "type", f"{path}.type"), f"{path}.type", types)
    match type_:
        case "input_image":
            return _image(part, path)
        case "input_file":
            if part.get("file_url") is not None:
                raise unsupported(f"{path}.file_url", "files are not downloaded; send the file in file_data")
            return read_file(part, path)
    name = "refusal" if type_ == "refusal" else "text"
    return LocatedBlock(
        {"text": read_text(required(part, name, f"{path}.{name}"), f"{path}.{name}")}, f"{path}.{name}"
    )


def _image(part: Mapping[str, Any], path: str) -> LocatedBlock:
    if part.get("file_id") is not None:
        raise unsupported(f"{path}.file_id", "files are not stored; send the image in image_url")
    here = f"{path}.image_url"
    return read_image(required(part, "image_url", here), here)
