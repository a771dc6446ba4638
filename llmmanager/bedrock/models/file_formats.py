"""Finds the format of an image, document or video from its bytes and its name."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final, NamedTuple

from llmmanager.message_builder_enums import (
    DetectionMethodEnum,
    DocumentFormatEnum,
    ImageFormatEnum,
    VideoFormatEnum,
)

FORMATS: Final[Mapping[str, tuple[str, ...]]] = {
    "image": tuple(ImageFormatEnum),
    "document": tuple(DocumentFormatEnum),
    "video": tuple(VideoFormatEnum),
}
"""The formats of each kind of file in Converse."""

# Extensions that differ from the name of the format.
_EXTENSIONS: Final = {
    "jpg": "jpeg",
    "htm": "html",
    "text": "txt",
    "markdown": "md",
    "m4v": "mp4",
    "qt": "mov",
    "3gp": "three_gp",
    "3gpp": "three_gp",
    "3g2": "three_gp",
}
_SIGNATURES: Final = (
    (b"\x89PNG\r\n\x1a\n", ("png",)),
    (b"\xff\xd8\xff", ("jpeg",)),
    (b"GIF87a", ("gif",)),
    (b"GIF89a", ("gif",)),
    (b"%PDF-", ("pdf",)),
    (b"FLV\x01", ("flv",)),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", ("wmv",)),
    (b"\x00\x00\x01\xba", ("mpeg", "mpg")),
    (b"\x00\x00\x01\xb3", ("mpeg", "mpg")),
)
_ZIP: Final = b"PK\x03\x04"
_OFFICE_97: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_MATROSKA: Final = b"\x1a\x45\xdf\xa3"
_BRANDS: Final = {
    b"qt  ": "mov",
    b"3gp": "three_gp",
    b"3g2": "three_gp",
    b"M4A": "m4a",
    b"avif": "avif",
    b"avis": "avif",
    b"hei": "heic",
    b"hev": "heic",
    b"mif1": "heic",
}
_HEAD_BYTES: Final = 1024


class DetectedFormat(NamedTuple):
    """The format of a file, and how it was found."""

    format: str
    method: DetectionMethodEnum


def detect_format(data: bytes, filename: str | None, *, kind: str) -> DetectedFormat:
    """Return the format of a file.

    Args:
        data: the bytes of the file.
        filename: its name, or None.
        kind: "image", "document" or "video".

    Raises:
        ValueError: the format is unknown, is no format of this kind, or differs between bytes and name. The
            message starts with "must be".
    """
    accepted = ", ".join(FORMATS[kind])
    by_content = formats_of(data)
    by_name = _format_of_name(filename)
    if by_content and not set(by_content) & set(FORMATS[kind]):
        raise ValueError(f"must be one of {accepted} (the bytes are {by_content[0]})")
    if by_name is not None and by_name not in FORMATS[kind]:
        raise ValueError(f"must be one of {accepted} (the name {filename!r} is {by_name})")
    if by_content and by_name:
        if by_name not in by_content:
            raise ValueError(
                f"must agree with bytes and name (the bytes are {by_content[0]}, the name is {filename!r})"
            )
        return DetectedFormat(by_name, DetectionMethodEnum.COMBINED)
    if by_content:
        return DetectedFormat(by_content[0], DetectionMethodEnum.CONTENT)
    if by_name:
        return DetectedFormat(by_name, DetectionMethodEnum.EXTENSION)
    shown = f"neither the bytes nor the name {filename!r} show it" if filename else "the bytes do not show it"
    raise ValueError(f"must be given as one of {accepted}: {shown}")


def kind_of(data: bytes, filename: str | None) -> str | None:
    """Return "image", "document" or "video", or None if neither the bytes nor the name show it."""
    formats = formats_of(data) or (_format_of_name(filename),)
    return next((kind for kind, accepted in FORMATS.items() if formats[0] in accepted), None)


def formats_of(data: bytes) -> tuple[str, ...]:
    """Return the formats that the bytes of a file can have, the likeliest first; empty if they show none.

    A file that only other kinds of blocks accept, or none, has its own format, such as "heic".
    """
    for signature, formats in _SIGNATURES:
        if data.startswith(signature):
            return formats
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return ("webp",)
    if data[4:8] == b"ftyp":
        return (_format_of_brand(data[8:12]),)
    if data.startswith(_MATROSKA):
        return ("webm",) if b"webm" in data[:_HEAD_BYTES] else ("mkv",)
    if data.startswith(_ZIP):
        return _first_in(data, {b"word/": "docx", b"xl/": "xlsx"})
    if data.startswith(_OFFICE_97):
        parts = {"WordDocument": "doc", "Workbook": "xls", "Book": "xls"}
        return _first_in(data, {name.encode("utf-16-le"): kind for name, kind in parts.items()})
    head = data[:_HEAD_BYTES].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if head.startswith((b"<!doctype html", b"<html")):
        return ("html", "md", "txt")
    return ()


def _format_of_brand(brand: bytes) -> str:
    """Return the format of a file that starts as MPEG-4 does. Converse accepts no images of this kind."""
    return next((format_ for prefix, format_ in _BRANDS.items() if brand.startswith(prefix)), "mp4")


def _first_in(data: bytes, formats: Mapping[bytes, str]) -> tuple[str, ...]:
    return next(((format_,) for name, format_ in formats.items() if name in data), ())


def _format_of_name(filename: str | None) -> str | None:
    """Return the format that the extension of a name stands for, or None."""
    extension = os.path.splitext(filename or "")[1].lstrip(".").lower()
    format_ = _EXTENSIONS.get(extension, extension)
    return format_ if any(format_ in formats for formats in FORMATS.values()) else None
