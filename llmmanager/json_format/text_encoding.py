"""Recognize byte order marks, compressed files and encodings other than UTF-8 by the first bytes."""

from __future__ import annotations

from typing import Final, TypeVar

# Number of bytes that `unsupported_format` reads.
SIGNATURE_BYTES: Final = 262

_UTF8_MARK: Final = b"\xef\xbb\xbf"
_MARK: Final = "\ufeff"
_SIGNATURES: Final = {
    b"\x1f\x8b": "compressed (gzip)",
    b"PK\x03\x04": "compressed (zip)",
    b"PK\x05\x06": "compressed (zip)",
    b"PK\x07\x08": "compressed (zip)",
    b"\x28\xb5\x2f\xfd": "compressed (zstd)",
    b"BZh": "compressed (bzip2)",
    b"\xfd7zXZ\x00": "compressed (xz)",
    b"]\x00\x00": "compressed (lzma)",
    b"LZIP": "compressed (lzip)",
    b"\x04\x22\x4d\x18": "compressed (lz4)",
    b"7z\xbc\xaf\x27\x1c": "compressed (7z)",
    b"Rar!": "compressed (rar)",
    b"\x1f\x9d": "compressed (compress)",
    b"\xff\x06\x00\x00sNaPpY": "compressed (snappy)",
    b"PAR1": "a Parquet file",
    b"Obj\x01": "an Avro file",
    b"ORC": "an ORC file",
    b"%PDF": "a PDF file",
    # UTF-32 first, because its mark starts with that of UTF-16.
    b"\xff\xfe\x00\x00": "UTF-32 text",
    b"\x00\x00\xfe\xff": "UTF-32 text",
    b"\xff\xfe": "UTF-16 text",
    b"\xfe\xff": "UTF-16 text",
}
# A text without a mark is recognized by its first two characters, which are ASCII in JSON. Widths in bytes.
_WITHOUT_MARK: Final = (
    ("utf-32-le", 4, "UTF-32 text"),
    ("utf-32-be", 4, "UTF-32 text"),
    ("utf-16-le", 2, "UTF-16 text"),
    ("utf-16-be", 2, "UTF-16 text"),
)
_FIRST: Final = tuple("{[ \t\r\n")

Text = TypeVar("Text", str, bytes)


def without_byte_order_mark(text: Text) -> Text:
    """Return a text without its leading byte order marks."""
    if isinstance(text, str):
        return text.lstrip(_MARK)
    while text.startswith(_UTF8_MARK):
        text = text[len(_UTF8_MARK) :]
    return text


def unsupported_format(start: bytes) -> str | None:
    """Return the format of a text that is not UTF-8, such as "compressed (gzip)" or "UTF-16 text", or None.

    Args:
        start: the first `SIGNATURE_BYTES` bytes of the text, or all of a shorter one.
    """
    for signature, name in _SIGNATURES.items():
        if start.startswith(signature):
            return name
    # A skippable frame, with which some zstd files start.
    if start[1:4] == b"\x2a\x4d\x18" and 0x50 <= start[0] <= 0x5F:
        return "compressed (zstd)"
    if start[257:262] == b"ustar":
        return "a tar file"
    return next(
        (
            name
            for encoding, width, name in _WITHOUT_MARK
            if _starts_json(start[: 2 * width].decode(encoding, "replace"))
        ),
        None,
    )


def _starts_json(text: str) -> bool:
    return len(text) == 2 and text.isascii() and "\0" not in text and text.startswith(_FIRST)
