"""An upper estimate of the tokens of images and documents.

Claude divides an image into squares of 28 pixels, and reduces larger images to at most 4,784 of them. A page
of a PDF is its text, with at most 3,000 tokens in a typical document, and an image.
"""

from __future__ import annotations

import math
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from io import BytesIO

from llmmanager.bedrock.tokens.text_tokens import text_tokens

_SQUARE = 28
_IMAGE_TOKENS = 4784
_IMAGE_FRAME_TOKENS = 16
_PAGE_TOKENS = 5000
_PAGE = re.compile(rb"/Type\s*/Page(?![a-zA-Z])")
# The limits keep the time proportional to the size of the file.
_OBJECT_STREAM = re.compile(rb"/Type\s*/ObjStm\b[^>]{0,1000}>>\s{0,100}stream\r?\n")
_END_OF_STREAM = b"endstream"
# The size of a page in a PDF whose pages cannot be counted, in bytes.
_SMALL_PAGE = 4000
_TAG = re.compile(r"<[^<>]*>")
# Bytes that are unpacked of a part of a file, and of a file.
_MAX_PART = 8_000_000
_MAX_UNPACKED = 16_000_000
_BINARY = ("doc", "xls")
_ZIPPED = ("docx", "xlsx")


def image_tokens(content: bytes) -> int:
    """Return an upper estimate of the tokens of an image."""
    size = _image_size(content)
    if size is None:
        return _IMAGE_TOKENS + _IMAGE_FRAME_TOKENS
    squares = math.ceil(size[0] / _SQUARE) * math.ceil(size[1] / _SQUARE)
    return min(squares, _IMAGE_TOKENS) + _IMAGE_FRAME_TOKENS


def document_tokens(content: bytes, document_format: str) -> float:
    """Return an upper estimate of the tokens of a document in one of Converse's formats."""
    if document_format == "pdf":
        return _pages(content) * _PAGE_TOKENS
    if document_format in _ZIPPED:
        return sum(map(text_tokens, _zipped_texts(content)))
    if document_format in _BINARY:
        return len(content) / 2
    return text_tokens(content.decode("utf-8", "replace"))


def _image_size(content: bytes) -> tuple[int, int] | None:
    """Return the width and the height in the header of an image, or None."""
    try:
        if content.startswith(b"\x89PNG"):
            width, height = struct.unpack_from(">II", content, 16)
        elif content.startswith(b"GIF8"):
            width, height = struct.unpack_from("<HH", content, 6)
        elif content.startswith(b"\xff\xd8"):
            return _jpeg_size(content)
        else:
            return _webp_size(content)
    except struct.error:
        return None
    return width, height


def _jpeg_size(content: bytes) -> tuple[int, int] | None:
    position = 2
    while content[position : position + 1] == b"\xff":
        marker, length = struct.unpack_from(">BH", content, position + 1)
        # Start of frame; C4, C8 and CC are tables.
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack_from(">HH", content, position + 5)
            return width, height
        position += 2 + length
    return None


def _webp_size(content: bytes) -> tuple[int, int] | None:
    kind = content[12:16]
    if kind == b"VP8X":
        width, height = (int.from_bytes(content[start : start + 3], "little") + 1 for start in (24, 27))
        return width, height
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", content, 21)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", content, 26)
        return width & 0x3FFF, height & 0x3FFF
    return None


def _pages(content: bytes) -> int:
    """Return the number of pages of a PDF, also of those in compressed objects."""
    pages = len(_PAGE.findall(content))
    end, left = 0, _MAX_UNPACKED
    while left > 0 and (found := _OBJECT_STREAM.search(content, end)):
        end = content.find(_END_OF_STREAM, found.end())
        end = len(content) if end < 0 else end
        try:
            objects = zlib.decompressobj().decompress(content[found.end() : end], _MAX_PART)
        except zlib.error:
            continue
        left -= len(objects)
        pages += len(_PAGE.findall(objects))
    return pages or len(content) // _SMALL_PAGE + 1


def _zipped_texts(content: bytes) -> Iterator[str]:
    """Yield the texts of a Word or Excel file."""
    try:
        left = _MAX_UNPACKED
        with zipfile.ZipFile(BytesIO(content)) as archive:
            for name in archive.namelist():
                if name.endswith(".xml") and left > 0:
                    with archive.open(name) as part:
                        text = part.read(_MAX_PART)
                    left -= len(text)
                    yield _TAG.sub(" ", text.decode("utf-8", "replace"))
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError):
        yield "x" * len(content)
