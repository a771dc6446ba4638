"""What text from outside begins with: a byte order mark, or signs that it is not UTF-8 text at all."""

from __future__ import annotations

from typing import Final, TypeVar

# As many bytes as `foreign_format` looks at.
SIGNS_BYTES: Final = 262

_UTF8_MARK: Final = b"\xef\xbb\xbf"
_MARK: Final = "\ufeff"
_SIGNS: Final = {
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
    # The longer marks first: that of UTF-32 begins with that of UTF-16.
    b"\xff\xfe\x00\x00": "UTF-32 text",
    b"\x00\x00\xfe\xff": "UTF-32 text",
    b"\xff\xfe": "UTF-16 text",
    b"\xfe\xff": "UTF-16 text",
}
# What has no mark is known by its first two characters, which JSON has in ASCII; their widths are in bytes.
_WITHOUT_MARK: Final = (
    ("utf-32-le", 4, "UTF-32 text"),
    ("utf-32-be", 4, "UTF-32 text"),
    ("utf-16-le", 2, "UTF-16 text"),
    ("utf-16-be", 2, "UTF-16 text"),
)
_FIRST: Final = tuple("{[ \t\r\n")

Text = TypeVar("Text", str, bytes)


def without_byte_order_mark(text: Text) -> Text:
    """Return a text without the byte order marks that it begins with."""
    if isinstance(text, str):
        return text.lstrip(_MARK)
    while text.startswith(_UTF8_MARK):
        text = text[len(_UTF8_MARK) :]
    return text


def foreign_format(start: bytes) -> str | None:
    """Return what a text is that is not UTF-8, such as "compressed (gzip)" or "UTF-16 text", or None.

    Args:
        start: the first `SIGNS_BYTES` bytes of the text, or all of a shorter one.
    """
    for sign, name in _SIGNS.items():
        if start.startswith(sign):
            return name
    # A frame to be skipped, which tools for zstd put first.
    if start[1:4] == b"\x2a\x4d\x18" and 0x50 <= start[0] <= 0x5F:
        return "compressed (zstd)"
    if start[257:262] == b"ustar":
        return "a tar file"
    return next(
        (
            name
            for encoding, width, name in _WITHOUT_MARK
            if _begins_json(start[: 2 * width].decode(encoding, "replace"))
        ),
        None,
    )


def _begins_json(text: str) -> bool:
    return len(text) == 2 and text.isascii() and "\0" not in text and text.startswith(_FIRST)
