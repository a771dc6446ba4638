"""The upper estimate of the tokens of a request."""

from __future__ import annotations

import json
import struct
import zipfile
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.streaming_api.messages.media_tokens import document_tokens, image_tokens
from lambdas.streaming_api.messages.text_tokens import text_tokens
from lambdas.streaming_api.messages.token_estimate import estimate_tokens
from llmmanager.testing import FakeBedrock
from tests.unit.lambdas.streaming_api.messages.anthropic_messages import (
    HAIKU_4_5,
    HELLO,
    WEATHER,
    assistant,
    call,
    converse,
    document,
    image,
    pdf,
    plain,
    result,
    text,
    user,
)

TEXTS = json.loads(Path(__file__).with_name("text_tokens.json").read_text("utf-8"))["texts"]
IMAGE_FRAME = 16


def png(width: int, height: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", width, height)


def gif(width: int, height: int) -> bytes:
    return b"GIF89a" + struct.pack("<HH", width, height)


def jpeg(width: int, height: int) -> bytes:
    table = b"\xff\xc4" + struct.pack(">H", 5) + b"abc"
    return b"\xff\xd8" + table + b"\xff\xc2" + struct.pack(">HBHH", 11, 8, height, width)


def webp(kind: bytes, header: bytes) -> bytes:
    return b"RIFF\0\0\0\0WEBP" + kind + b"\0\0\0\0" + header


def webp_extended(width: int, height: int) -> bytes:
    sizes = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return webp(b"VP8X", b"\0\0\0\0" + sizes)


def webp_lossless(width: int, height: int) -> bytes:
    return webp(b"VP8L", b"\x2f" + struct.pack("<I", (width - 1) | (height - 1) << 14))


def webp_lossy(width: int, height: int) -> bytes:
    return webp(b"VP8 ", b"\0\0\0\x9d\x01\x2a" + struct.pack("<HH", width, height))


@pytest.mark.parametrize("name", TEXTS)
def test_no_text_is_estimated_below_its_tokens_and_none_far_above(name: str) -> None:
    known = TEXTS[name]
    tokens = max(known["claude_3_to_4_6"], known["claude_4_7_and_later"])
    assert tokens <= text_tokens(known["text"]) <= 2.8 * tokens


@given(st.text(), st.text())
def test_more_text_has_more_tokens(first: str, second: str) -> None:
    assert text_tokens(first + second) == pytest.approx(text_tokens(first) + text_tokens(second))
    assert text_tokens(first) >= 0.3 * len(first)


@pytest.mark.parametrize("header", [png, gif, jpeg, webp_extended, webp_lossless, webp_lossy])
def test_an_image_has_a_token_for_each_square_of_28_pixels(header: Any) -> None:
    # 512 x 384 pixels: Claude counts 19 x 14 squares.
    assert image_tokens(header(512, 384)) == 19 * 14 + IMAGE_FRAME


@pytest.mark.parametrize(
    "content",
    [png(8000, 8000), b"\x89PNG", b"\xff\xd8\xff\xd9\x00\x00", b"\xff\xd8\x00", webp(b"VP9 ", b""), b""],
)
def test_a_large_image_and_one_of_unknown_size_have_the_maximum(content: bytes) -> None:
    assert image_tokens(content) == 4800


@given(st.binary(max_size=60))
def test_any_bytes_can_be_estimated(content: bytes) -> None:
    for start in (b"", b"\x89PNG", b"GIF8", b"\xff\xd8\xff", b"RIFF0000WEBPVP8X"):
        assert 0 < image_tokens(start + content) <= 4800
    for document_format in ("pdf", "docx", "xlsx", "doc", "txt"):
        assert document_tokens(content, document_format) >= 0


def test_pages_of_a_pdf_are_counted_also_in_compressed_objects() -> None:
    pages = b"<</Type /Page>> <</Type/Page /Parent 1 0 R>> <</Type /Pages /Count 2>>"
    plain_file = b"%PDF-1.4\n" + pages
    stream = zlib.compress(pages)
    compressed = b"%PDF-1.7\n1 0 obj <</Type /ObjStm /N 3>>\nstream\r\n" + stream + b"\nendstream"
    broken = b"%PDF-1.7\n1 0 obj <</Type /ObjStm>>\nstream\nno zlib" + b"0" * 8000
    assert document_tokens(plain_file, "pdf") == 10_000
    assert document_tokens(compressed, "pdf") == 10_000
    assert document_tokens(broken, "pdf") == 15_000


def test_a_word_file_is_its_text() -> None:
    content = BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", "<w:p><w:t>Hello</w:t></w:p>")
        archive.writestr("word/media/image1.png", b"0" * 10_000)
    assert text_tokens("Hello") <= document_tokens(content.getvalue(), "docx") < text_tokens("Hello") + 2
    assert document_tokens(b"PK\x03\x04", "docx") > 0


def test_a_request_is_the_sum_of_its_parts() -> None:
    def tokens(*messages: Any, **fields: Any) -> int:
        return estimate_tokens(converse(*messages, **fields))

    base = tokens()
    assert 40 < base < 60
    assert tokens(system="Be brief.") > base
    assert tokens(tools=[WEATHER]) > base + 600
    assert tokens(user(text("Hello"), image(png(512, 384)))) >= base + 266
    assert tokens(user(text("Hello"), document(pdf()))) >= base + 5000
    assert tokens(user(text("Hello"), document(plain("word " * 100)))) > base + 100
    cited = document(plain("word " * 100), citations={"enabled": True})
    assert tokens(user(text("Hello"), cited)) > base + 100
    listed = document({"type": "content", "content": [text("word " * 100)]}, citations={"enabled": True})
    assert tokens(user(text("Hello"), listed)) > base + 100
    found = {"type": "search_result", "source": "a", "title": "b", "content": [text("word " * 100)]}
    assert tokens(user(text("Hello"), found)) > base + 100
    long_result = user(result(content=[text("word " * 100), image(png(512, 384))]))
    assert tokens(HELLO, assistant(call()), long_result, tools=[WEATHER]) > base + 600 + 100 + 266
    schema = {"format": {"type": "json_schema", "schema": WEATHER["input_schema"]}}
    assert tokens(model_ids=(HAIKU_4_5,), output_config=schema) > base + 300


@pytest.mark.parametrize(
    "block",
    [
        {"type": "thinking", "thinking": "word " * 100, "signature": "c2ln"},
        {"type": "thinking", "thinking": "", "signature": "A" * 800},
        {"type": "redacted_thinking", "data": "A" * 800},
    ],
)
def test_reasoning_that_is_not_shown_is_counted(block: Any) -> None:
    request = converse(HELLO, assistant(block, text("Hi")), HELLO)
    assert estimate_tokens(request) > estimate_tokens(converse(HELLO, assistant(text("Hi")), HELLO)) + 100


def test_the_estimate_is_not_below_the_count_of_a_call(fake_bedrock: FakeBedrock) -> None:
    request = converse(user(text("Hello"), image(), document(pdf())), system="Be brief.", tools=[WEATHER])
    body = {
        "messages": request["messages"],
        "system": request["system"],
        "toolConfig": request["tool_config"],
    }
    client = fake_bedrock.client(region="us-east-1")
    counted = client.count_tokens(modelId=HAIKU_4_5, input={"converse": body})["inputTokens"]
    assert counted <= estimate_tokens(request)
