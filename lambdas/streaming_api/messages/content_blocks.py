"""Content of messages, of the system prompt and of tool results: a string, or a list of blocks."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from lambdas.streaming_api.cache_points import read_cache_point
from lambdas.streaming_api.conversation import LocatedBlock
from lambdas.streaming_api.json_fields import read_list, read_object, read_text, required
from lambdas.streaming_api.mapping_error import MappingError, unsupported
from lambdas.streaming_api.media import image_block
from lambdas.streaming_api.messages.document_blocks import read_citations, read_document
from lambdas.streaming_api.messages.file_sources import read_data, read_source

TEXT_BLOCKS = ("text",)
USER_BLOCKS = ("text", "image", "document", "search_result")
RESULT_BLOCKS = (*USER_BLOCKS, "tool_reference")
_OF_SERVER_TOOLS = ("server_tool_use", "mcp_tool_use", "container_upload", "browser_state")
_SERVER_TOOL = "tools that Anthropic runs are not available; use tools of your own"


def content_blocks(content: Any, path: str, types: Collection[str]) -> Iterator[LocatedBlock]:
    """Yield the blocks of a content, with the cache points that follow them.

    Args:
        content: a string or a list of blocks.
        path: its path.
        types: the types of blocks that it may contain.

    Raises:
        MappingError: a block is invalid or cannot be mapped.
    """
    if isinstance(content, str):
        yield LocatedBlock({"text": content}, path)
        return
    for block, here in typed_blocks(content, path, types):
        yield from mapped_block(block, here)


def typed_blocks(content: Any, path: str, types: Collection[str]) -> Iterator[tuple[Mapping[str, Any], str]]:
    """Yield each block of a list with its path. The arguments and errors are those of `content_blocks`."""
    for index, item in enumerate(read_list(content, path)):
        here = f"{path}[{index}]"
        block = read_object(item, here)
        type_ = read_text(required(block, "type", f"{here}.type"), f"{here}.type")
        if type_ not in types:
            if _is_of_server_tool(type_):
                raise unsupported(f"{here}.type", _SERVER_TOOL)
            raise MappingError(f"{here}.type", f"must be one of {', '.join(types)}")
        yield block, here


def mapped_block(block: Mapping[str, Any], path: str) -> Iterator[LocatedBlock]:
    """Yield Converse's block for one of the types in `RESULT_BLOCKS`, and the cache point behind it."""
    match block["type"]:
        case "text":
            text = read_text(required(block, "text", f"{path}.text"), f"{path}.text")
            yield LocatedBlock({"text": text}, f"{path}.text")
        case "image":
            yield _image(block, path)
        case "document":
            yield read_document(block, path)
        case "search_result":
            yield _search_result(block, path)
        case _:
            name = read_text(required(block, "tool_name", f"{path}.tool_name"), f"{path}.tool_name")
            yield LocatedBlock({"text": f"[tool {name}]"}, path)
    point = read_cache_point(block, path)
    if point is not None:
        yield LocatedBlock(point, path)


def _image(block: Mapping[str, Any], path: str) -> LocatedBlock:
    _, source = read_source(block, path, ("base64",))
    return LocatedBlock(image_block(read_data(source, path), f"{path}.source.data"), f"{path}.source")


def _search_result(block: Mapping[str, Any], path: str) -> LocatedBlock:
    texts = [
        {"text": read_text(required(item, "text", f"{here}.text"), f"{here}.text")}
        for item, here in typed_blocks(
            required(block, "content", f"{path}.content"), f"{path}.content", TEXT_BLOCKS
        )
    ]
    if not texts:
        raise MappingError(f"{path}.content", "must contain text")
    result: dict[str, Any] = {
        name: read_text(required(block, name, f"{path}.{name}"), f"{path}.{name}")
        for name in ("source", "title")
    }
    result["content"] = texts
    citations = read_citations(block, path)
    if citations is not None:
        result["citations"] = citations
    return LocatedBlock({"searchResult": result}, path)


def _is_of_server_tool(type_: str) -> bool:
    return type_ in _OF_SERVER_TOOLS or (type_.endswith("_tool_result") and type_ != "tool_result")
