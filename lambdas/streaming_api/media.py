"""Files in requests: base64 text and data URLs to Converse's image, document and audio blocks.

The format comes from the first bytes, because clients send wrong media types, such as `image/jpg`. A URL of
another machine is rejected: the function that answers requests does not open connections for its callers.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from lambdas.streaming_api.mapping_error import MappingError

Block = Mapping[str, Any]

_AUDIO_FORMATS = ("mp3", "opus", "wav", "aac", "flac", "mp4", "ogg", "mkv", "m4a", "mpeg", "pcm", "webm")
_IMAGES = {b"\x89PNG\r\n\x1a\n": "png", b"\xff\xd8\xff": "jpeg", b"GIF87a": "gif", b"GIF89a": "gif"}
_OFFICE = {
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "application/msword": "doc",
    "application/vnd.ms-excel": "xls",
}
_TEXTS = {"text/csv": "csv", "text/html": "html", "text/markdown": "md"}
_EXTENSIONS = {"csv": "csv", "htm": "html", "html": "html", "md": "md", "markdown": "md"}
_MAX_NAME_LENGTH = 200
_DATA_URL = re.compile(r"data:(?P<type>[^;,]*)(?P<parameters>(;[^;,]*)*),", re.IGNORECASE)
_WHITE_SPACE = re.compile(r"\s+")


class DataUrl(NamedTuple):
    """The content of a data URL, and its media type in lower case ("" if it has none)."""

    media_type: str
    content: bytes


def read_data_url(url: str, path: str) -> DataUrl:
    """Return the content of a data URL.

    Raises:
        MappingError: the URL is another URL, or its data are not base64.
    """
    found = _DATA_URL.match(url)
    if found is None:
        raise MappingError(
            path,
            "must be a data URL (data:image/png;base64,...), because files are not downloaded; "
            "send the file in the request",
        )
    if not found["parameters"].lower().endswith(";base64"):
        raise MappingError(path, "must be base64 (data:image/png;base64,...)")
    return DataUrl(found["type"].strip().lower(), read_base64(url[found.end() :], path))


def read_base64(text: str, path: str) -> bytes:
    """Return the bytes of base64 text, which may contain line breaks.

    Raises:
        MappingError: the text is empty or not base64.
    """
    try:
        content = base64.b64decode(_WHITE_SPACE.sub("", text), validate=True)
    except (binascii.Error, ValueError):
        raise MappingError(path, "must be base64") from None
    if not content:
        raise MappingError(path, "must not be empty")
    return content


def image_block(content: bytes, path: str) -> Block:
    """Return the block of an image.

    Raises:
        MappingError: the image is not PNG, JPEG, GIF or WebP.
    """
    found = next((name for start, name in _IMAGES.items() if content.startswith(start)), None)
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        found = "webp"
    if found is None:
        raise MappingError(path, "must be a PNG, JPEG, GIF or WebP image")
    return {"image": {"format": found, "source": {"bytes": content}}}


def document_block(content: bytes, path: str, *, name: str = "", media_type: str = "") -> Block:
    """Return the block of a document. The library makes its name valid and unique.

    Args:
        content: the file.
        path: the path of the field.
        name: the name of the file. Its extension is part of the format's detection.
        media_type: the media type in lower case.

    Raises:
        MappingError: the format is unknown.
    """
    extension = name.rpartition(".")[2].lower() if "." in name else ""
    document = {
        "format": _document_format(content, extension, media_type, path),
        "name": _document_name(name),
        "source": {"bytes": content},
    }
    return {"document": document}


def text_document_block(texts: Sequence[str], *, name: str = "", is_cited: bool = False) -> Block:
    """Return the block of a document of one or more texts.

    Args:
        texts: the texts, not all empty.
        name: the name of the document.
        is_cited: whether answers cite the texts one by one. Otherwise they are sent as the bytes of a text
            file, which more models accept.
    """
    if is_cited:
        source: dict[str, Any] = {"content": [{"text": text} for text in texts]}
        if len(texts) == 1:
            source = {"text": texts[0]}
    else:
        source = {"bytes": "\n\n".join(texts).encode("utf-8", "replace")}
    return {"document": {"format": "txt", "name": _document_name(name), "source": source}}


def file_block(content: bytes, path: str, *, name: str = "", media_type: str = "") -> Block:
    """Return the block of a file that is an image or a document. The arguments are those of a document."""
    try:
        return image_block(content, path)
    except MappingError:
        return document_block(content, path, name=name, media_type=media_type)


def audio_block(content: bytes, audio_format: str, path: str) -> Block:
    """Return the block of a sound.

    Args:
        path: the path of the format's field.

    Raises:
        MappingError: Converse does not accept the format.
    """
    if audio_format not in _AUDIO_FORMATS:
        raise MappingError(path, f"must be one of {', '.join(_AUDIO_FORMATS)}")
    return {"audio": {"format": audio_format, "source": {"bytes": content}}}


def _document_name(name: str) -> str:
    return name[:_MAX_NAME_LENGTH] if name.strip() else "document"


def _document_format(content: bytes, extension: str, media_type: str, path: str) -> str:
    if content.startswith(b"%PDF"):
        return "pdf"
    if content.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        found = _OFFICE.get(media_type, extension)
        if found in _OFFICE.values():
            return found
    elif _is_text(content):
        return _EXTENSIONS.get(extension) or _TEXTS.get(media_type, "txt")
    raise MappingError(path, "must be a PDF, Word, Excel, CSV, HTML, Markdown or text file in UTF-8")


def _is_text(content: bytes) -> bool:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return b"\0" not in content
