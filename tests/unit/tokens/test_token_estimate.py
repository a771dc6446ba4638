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

from llmmanager.bedrock.tokens.media_tokens import document_tokens, image_tokens
from llmmanager.bedrock.tokens.text_tokens import text_tokens
from llmmanager.bedrock.tokens.token_estimate import estimate_tokens
from llmmanager.testing import FakeBedrock

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


def word_file(*texts: str) -> bytes:
    content = BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, text in enumerate(texts):
            archive.writestr(f"word/part{number}.xml", text)
    return content.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"/Type/ObjStm " * 100_000,
        b"/Type/ObjStm>>stream\n" * 100_000,
        (b"/Type/ObjStm>>stream\n" + zlib.compress(b"x")) * 100_000,
        (b"/Type/ObjStm>>stream\n" + zlib.compress(b"x" * 5_000_000) + b"endstream") * 1000,
        word_file("<" * 1_000_000),
        word_file(*["a" * 5_000_000] * 6),
    ],
    ids=["no end", "many streams", "nested", "packed", "no tag", "many parts"],
)
def test_a_hostile_file_is_estimated_in_proportion_to_its_size(content: bytes) -> None:
    # Without limits, each of these files would take minutes.
    assert document_tokens(content, "docx" if content.startswith(b"PK") else "pdf") > 0


def test_a_word_file_is_its_text() -> None:
    content = BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", "<w:p><w:t>Hello</w:t></w:p>")
        archive.writestr("word/media/image1.png", b"0" * 10_000)
    assert text_tokens("Hello") <= document_tokens(content.getvalue(), "docx") < text_tokens("Hello") + 2
    assert document_tokens(b"PK\x03\x04", "docx") > 0


def user(*content: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(content)}


def tokens_of(*content: Any, **fields: Any) -> int:
    return estimate_tokens({"messages": [user({"text": "Hello"}, *content)], **fields})


def document(source: Any, **fields: Any) -> dict[str, Any]:
    return {"document": {"name": "Report", "format": "pdf", "source": source, **fields}}


TOOL = {"toolSpec": {"name": "weather", "inputSchema": {"json": {"type": "object"}}}}
WORDS = "word " * 100
IMAGE = {"image": {"format": "png", "source": {"bytes": png(512, 384)}}}
S3 = {"s3Location": {"uri": "s3://bucket/file"}}


@pytest.mark.parametrize(
    ("block", "least"),
    [
        ({"text": WORDS}, 100),
        (IMAGE, 266),
        ({"image": {"format": "png", "source": S3}}, 4800),
        (document({"bytes": b"%PDF-1.4 /Type /Page "}), 5000),
        (document({"text": WORDS}, format="txt"), 100),
        (document({"content": [{"text": WORDS}]}), 100),
        (document(S3), 10_000),
        ({"video": {"format": "mp4", "source": S3}}, 5000),
        ({"audio": {"format": "mp3", "source": {"bytes": b"1"}}}, 1000),
        ({"searchResult": {"source": "a", "title": "b", "content": [{"text": WORDS}]}}, 100),
        ({"toolUse": {"toolUseId": "1", "name": "weather", "input": {"city": WORDS}}}, 100),
        ({"toolResult": {"toolUseId": "1", "content": [{"text": WORDS}, IMAGE]}}, 366),
        ({"toolResult": {"toolUseId": "1", "content": [{"json": {"text": WORDS}}]}}, 100),
        ({"guardContent": {"text": {"text": WORDS, "qualifiers": ["query"]}}}, 100),
        ({"guardContent": IMAGE}, 266),
        ({"citationsContent": {"content": [{"text": WORDS}], "citations": []}}, 100),
        ({"reasoningContent": {"reasoningText": {"text": WORDS}}}, 100),
        ({"reasoningContent": {"reasoningText": {"text": "", "signature": "A" * 800}}}, 100),
        ({"reasoningContent": {"redactedContent": b"A" * 800}}, 100),
    ],
)
def test_each_block_is_counted(block: Any, least: int) -> None:
    assert tokens_of(block) >= tokens_of() + least


def test_a_request_is_the_sum_of_its_parts() -> None:
    base = tokens_of()
    assert 40 < base < 60
    assert tokens_of(system=[{"text": WORDS}, {"cachePoint": {"type": "default"}}]) >= base + 100
    assert tokens_of(toolConfig={"tools": [TOOL]}) > base + 600
    schema = {"type": "json_schema", "structure": {"jsonSchema": {"schema": "{}"}}}
    assert tokens_of(outputConfig={"textFormat": schema}) > base + 300
    assert tokens_of({"cachePoint": {"type": "default"}}, outputConfig={"effort": "low"}) == base
    assert estimate_tokens({}) < base


def test_the_estimate_is_not_below_the_count_of_a_call(fake_bedrock: FakeBedrock) -> None:
    request = {
        "messages": [user({"text": "Hello"}, IMAGE, document({"bytes": b"%PDF-1.4"}))],
        "system": [{"text": "Be brief."}],
        "toolConfig": {"tools": [TOOL]},
    }
    client = fake_bedrock.client(region="us-east-1")
    model_id = "anthropic.claude-haiku-4-5-20251001-v1:0"
    counted = client.count_tokens(modelId=model_id, input={"converse": request})["inputTokens"]
    assert counted <= estimate_tokens(request)
