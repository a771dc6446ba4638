"""Documents: a file in base64, text, or a list of texts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lambdas.streaming_api.conversation import LocatedBlock
from lambdas.streaming_api.json_fields import (
    optional_flag,
    optional_object,
    optional_text,
    read_list,
    read_object,
    read_text,
    required,
)
from lambdas.streaming_api.mapping_error import MappingError, unsupported
from lambdas.streaming_api.media import document_block, text_document_block
from lambdas.streaming_api.messages.file_sources import read_data, read_source

_SOURCES = ("base64", "text", "content")


def read_document(block: Mapping[str, Any], path: str) -> LocatedBlock:
    """Return the block of a document.

    Raises:
        MappingError: the document is invalid or cannot be mapped.
    """
    type_, source = read_source(block, path, _SOURCES)
    title = optional_text(block.get("title"), f"{path}.title")
    citations = read_citations(block, path)
    if type_ == "base64":
        media_type = optional_text(source.get("media_type"), f"{path}.source.media_type").lower()
        found = document_block(
            read_data(source, path), f"{path}.source.data", name=title, media_type=media_type
        )
    else:
        texts = _texts(source, f"{path}.source", type_)
        found = text_document_block(texts, name=title, is_cited=citations is not None)
    document = dict(found["document"])
    if citations is not None:
        document["citations"] = citations
    context = optional_text(block.get("context"), f"{path}.context")
    if context:
        document["context"] = context
    return LocatedBlock({"document": document}, f"{path}.source")


def read_citations(block: Mapping[str, Any], path: str) -> Mapping[str, Any] | None:
    """Return Converse's `citations` of a document or a search result, or None without citations."""
    given = optional_object(block.get("citations"), f"{path}.citations")
    enabled = optional_flag(given.get("enabled"), f"{path}.citations.enabled")
    return {"enabled": True} if enabled else None


def _texts(source: Mapping[str, Any], path: str, type_: str) -> list[str]:
    here = f"{path}.data" if type_ == "text" else f"{path}.content"
    given = required(source, here.rpartition(".")[2], here)
    if type_ == "text" or isinstance(given, str):
        texts = [read_text(given, here)]
    else:
        texts = [_text_of(item, f"{here}[{index}]") for index, item in enumerate(read_list(given, here))]
    kept = [text for text in texts if text.strip()]
    if not kept:
        raise MappingError(here, "must contain text")
    return kept


def _text_of(item: Any, path: str) -> str:
    block = read_object(item, path)
    if block.get("type") != "text":
        raise unsupported(f"{path}.type", "send images as content blocks of the message")
    return read_text(required(block, "text", f"{path}.text"), f"{path}.text")
