"""Files in requests."""

from __future__ import annotations

import base64

import pytest

from lambdas.streaming_api.mapping_error import MappingError
from lambdas.streaming_api.media import (
    audio_block,
    document_block,
    file_block,
    image_block,
    read_base64,
    read_data_url,
)

PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 8


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        (PNG, "png"),
        (b"\xff\xd8\xff\xe0", "jpeg"),
        (b"GIF89a", "gif"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "webp"),
    ],
)
def test_the_format_of_an_image_comes_from_its_first_bytes(start: bytes, expected: str) -> None:
    assert image_block(start, "x")["image"]["format"] == expected


def test_other_bytes_are_not_an_image() -> None:
    with pytest.raises(MappingError, match="x: must be a PNG, JPEG, GIF or WebP image"):
        image_block(b"%PDF-1.7", "x")


@pytest.mark.parametrize(
    ("content", "name", "media_type", "expected"),
    [
        (b"%PDF-1.7", "", "", "pdf"),
        (b"%PDF-1.7", "report.txt", "text/plain", "pdf"),
        (b"PK\x03\x04", "a.docx", "", "docx"),
        (b"PK\x03\x04", "", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx"),
        (b"\xd0\xcf\x11\xe0", "a.XLS", "", "xls"),
        (b"a,b", "a.csv", "", "csv"),
        (b"a,b", "", "text/csv", "csv"),
        (b"# A", "README.md", "", "md"),
        (b"<p>", "a.htm", "", "html"),
        (b"import os", "a.py", "", "txt"),
    ],
)
def test_the_format_of_a_document_comes_from_its_bytes_then_its_name_then_its_media_type(
    content: bytes, name: str, media_type: str, expected: str
) -> None:
    block = document_block(content, "x", name=name, media_type=media_type)
    assert block["document"]["format"] == expected
    assert block["document"]["name"] == (name or "document")


@pytest.mark.parametrize("content", [b"PK\x03\x04", b"\x00\x01", b"\xff\xfe"])
def test_a_document_of_an_unknown_format_is_rejected(content: bytes) -> None:
    with pytest.raises(MappingError, match="x: must be a PDF, Word"):
        document_block(content, "x", name="a.zip")


def test_a_long_name_of_a_document_is_cut() -> None:
    assert document_block(b"a", "x", name="n" * 300)["document"]["name"] == "n" * 200


def test_a_file_is_an_image_or_a_document() -> None:
    assert "image" in file_block(PNG, "x", name="a.png")
    assert "document" in file_block(b"%PDF", "x", name="a.pdf")


@pytest.mark.parametrize(
    "prefix", ["data:image/jpg;base64,", "data:;base64,", "DATA:image/png;charset=x;BASE64,"]
)
def test_a_data_url_has_a_media_type_and_base64(prefix: str) -> None:
    url = read_data_url(prefix + base64.b64encode(PNG).decode(), "x")
    assert url.content == PNG
    assert url.media_type in ("image/jpg", "", "image/png")


@pytest.mark.parametrize(
    "url", ["http://169.254.169.254/latest", "https://a.example/b.png", "file:///etc/passwd", ""]
)
def test_a_url_that_must_be_downloaded_is_rejected(url: str) -> None:
    with pytest.raises(MappingError, match="x: must be a data URL"):
        read_data_url(url, "x")


def test_a_data_url_without_base64_is_rejected() -> None:
    with pytest.raises(MappingError, match="x: must be base64"):
        read_data_url("data:text/plain,hello", "x")


def test_base64_may_contain_line_breaks() -> None:
    assert read_base64("aGVs\r\nbG8=\n", "x") == b"hello"


@pytest.mark.parametrize("text", ["", "a", "aGVs_G8=", "ä"])
def test_text_that_is_not_base64_is_rejected(text: str) -> None:
    with pytest.raises(MappingError, match="x: must"):
        read_base64(text, "x")


def test_a_sound_has_the_given_format() -> None:
    assert audio_block(b"a", "mp3", "x")["audio"]["format"] == "mp3"
    with pytest.raises(MappingError, match="x: must be one of mp3"):
        audio_block(b"a", "midi", "x")
