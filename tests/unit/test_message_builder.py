"""The message builder makes messages that Converse accepts, and rejects files whose format is unclear."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import pytest

from llmmanager import RequestValidationError
from llmmanager.bedrock.exceptions.llm_manager_exceptions import ContentError
from llmmanager.bedrock.models.file_formats import FORMATS, detect_format, formats_of
from llmmanager.bedrock.validation.request_validation import validate_request
from llmmanager.message_builder import (
    CacheConfig,
    MessageBuilder,
    create_assistant_message,
    create_message,
    create_user_message,
)
from llmmanager.message_builder_enums import (
    CachePointTTLEnum,
    DetectionMethodEnum,
    DocumentFormatEnum,
    GuardContentQualifierEnum,
    ImageFormatEnum,
    RolesEnum,
    ToolResultStatusEnum,
    VideoFormatEnum,
)

PNG = b"\x89PNG\r\n\x1a\nIHDR"
TOOLS = {"tools": [{"toolSpec": {"name": "t", "inputSchema": {"json": {"type": "object"}}}}]}


def zipped(name: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("[Content_Types].xml", "<x/>")
        archive.writestr(name, "<x/>")
    return file.getvalue()


def office_97(name: str) -> bytes:
    return b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(512) + name.encode("utf-16-le")


# The first bytes of real files, by kind and format.
FILES: dict[tuple[str, str], bytes] = {
    ("image", "png"): PNG,
    ("image", "jpeg"): b"\xff\xd8\xff\xe0\x00\x10JFIF",
    ("image", "gif"): b"GIF89a\x01\x00",
    ("image", "webp"): b"RIFF\x24\x00\x00\x00WEBPVP8 ",
    ("document", "pdf"): b"%PDF-1.7\n",
    ("document", "docx"): zipped("word/document.xml"),
    ("document", "xlsx"): zipped("xl/workbook.xml"),
    ("document", "doc"): office_97("WordDocument"),
    ("document", "xls"): office_97("Workbook"),
    ("document", "html"): b"\xef\xbb\xbf\n<!DOCTYPE html><html>",
    ("video", "mp4"): b"\x00\x00\x00\x20ftypisom\x00\x00\x02\x00",
    ("video", "mov"): b"\x00\x00\x00\x14ftypqt  \x00\x00\x02\x00",
    ("video", "three_gp"): b"\x00\x00\x00\x18ftyp3gp4\x00\x00\x02\x00",
    ("video", "webm"): b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\x82\x84webm",
    ("video", "mkv"): b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\x82\x88matroska",
    ("video", "flv"): b"FLV\x01\x05",
    ("video", "wmv"): b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9",
    ("video", "mpeg"): b"\x00\x00\x01\xba\x44\x00",
}
WITHOUT_SIGNATURE = {("document", "csv"), ("document", "txt"), ("document", "md"), ("video", "mpg")}


def added(kind: str, data: bytes, *arguments: Any) -> dict[str, Any]:
    builder = MessageBuilder(RolesEnum.USER)
    getattr(builder, f"add_{kind}_bytes")(data, *arguments)
    block: Any = builder.build()["content"][0]
    return block[kind]


def test_every_format_of_converse_has_a_file_in_these_tests() -> None:
    formats = {(kind, format_) for kind, formats in FORMATS.items() for format_ in formats}
    assert formats == FILES.keys() | WITHOUT_SIGNATURE


@pytest.mark.parametrize(("kind", "format_"), FILES, ids=str)
def test_the_format_is_detected_from_the_bytes(kind: str, format_: str) -> None:
    assert added(kind, FILES[kind, format_])["format"] == format_
    found = detect_format(
        FILES[kind, format_], f"file.{format_}" if format_ != "three_gp" else "a.3gp", kind=kind
    )
    assert found == (format_, DetectionMethodEnum.COMBINED)


@pytest.mark.parametrize(
    ("kind", "filename", "format_"),
    [
        ("document", "notes.MD", "md"),
        ("document", "a/b.csv", "csv"),
        ("document", "page.htm", "html"),
        ("video", "clip.mpg", "mpg"),
        ("video", "clip.3gp", "three_gp"),
        ("image", "photo.JPG", "jpeg"),
    ],
)
def test_bytes_without_a_signature_have_the_format_of_the_name(
    kind: str, filename: str, format_: str
) -> None:
    assert detect_format(b"a, b, c", filename, kind=kind) == (format_, DetectionMethodEnum.EXTENSION)
    assert added(kind, b"a, b, c", None, filename)["format"] == format_


def test_a_name_decides_between_formats_with_the_same_bytes() -> None:
    assert added("video", FILES["video", "mpeg"], None, "clip.mpg")["format"] == "mpg"
    assert added("document", b"<html> is a tag", None, "notes.md")["format"] == "md"
    assert detect_format(PNG, "upload.tmp", kind="image") == ("png", DetectionMethodEnum.CONTENT)


@pytest.mark.parametrize(
    ("kind", "arguments", "problem"),
    [
        ("image", (PNG, None, "photo.jpg"), "must agree with bytes and name (the bytes are png"),
        ("image", (PNG, "jpeg"), "must be the format of the bytes, png (got 'jpeg')"),
        ("image", (PNG, "bmp"), "must be one of jpeg, png, gif, webp (got 'bmp')"),
        ("image", (b"BM",), "must be given as one of jpeg, png, gif, webp: the bytes do not show it"),
        ("document", (PNG,), "(the bytes are png)"),
        ("document", (PNG, None, "report.pdf"), "(the bytes are png)"),
        ("image", (b"....ftypheic....", None, "photo.jpg"), "(the bytes are heic)"),
        ("video", (b"....ftypM4A ....", None, "song.mp4"), "(the bytes are m4a)"),
        ("image", (b"?", None, "report.pdf"), "(the name 'report.pdf' is pdf)"),
        ("document", (zipped("other/file.xml"),), "must be given as one of pdf"),
    ],
)
def test_an_unclear_format_is_an_error_with_its_path(kind: str, arguments: Any, problem: str) -> None:
    with pytest.raises(RequestValidationError) as raised:
        added(kind, *arguments)
    assert raised.value.invalid_fields == [f"content[0].{kind}.format"]
    assert problem in raised.value.message


def test_an_empty_or_too_large_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ContentError, match="must not be empty"):
        create_user_message().add_image_bytes(b"")
    large = tmp_path / "large.png"
    large.write_bytes(PNG + bytes(100))
    with pytest.raises(ContentError, match="at most 100 bytes") as raised:
        create_user_message().add_local_image(large, max_size_mb=0.0001)
    error = raised.value
    assert isinstance(error, RequestValidationError)
    assert (error.content_type, error.content_size, error.max_allowed_size) == ("image", 112, 100)


def test_base64_text_is_not_accepted_as_bytes() -> None:
    with pytest.raises(RequestValidationError, match="must be raw bytes"):
        added("image", "aGk=")  # type: ignore[arg-type]


def test_a_user_message_with_every_block_is_valid(tmp_path: Path) -> None:
    for name, key in (
        ("a.png", ("image", "png")),
        ("b.c_d.pdf", ("document", "pdf")),
        ("c.mp4", ("video", "mp4")),
    ):
        (tmp_path / name).write_bytes(FILES[key])
    message = (
        create_user_message()
        .add_text("Compare these.")
        .add_local_image(tmp_path / "a.png")
        .add_local_document(str(tmp_path / "b.c_d.pdf"), citations_enabled=True, context="A report.")
        .add_local_video(tmp_path / "c.mp4")
        .add_image_s3("s3://my-bucket/a.webp", ImageFormatEnum.WEBP, "111122223333")
        .add_video_s3("s3://my-bucket/a.webm", VideoFormatEnum.WEBM)
        .add_document_s3("s3://my-bucket/report.txt", DocumentFormatEnum.TXT)
        .add_document_bytes(b"a;b", "csv", name="table")
        .add_guard_content("Is it safe?", [GuardContentQualifierEnum.QUERY])
        .add_cache_point(ttl=CachePointTTLEnum.ONE_HOUR)
        .build()
    )
    assert validate_request({"messages": [message]}) == []
    kinds = [next(iter(block)) for block in message["content"]]
    assert kinds == [
        *("text", "image", "document", "video", "image", "video", "document", "document"),
        *("guardContent", "cachePoint"),
    ]
    blocks: Any = message["content"]
    assert blocks[2]["document"] == {
        "format": "pdf",
        "name": "b-c-d",
        "source": {"bytes": FILES["document", "pdf"]},
        "citations": {"enabled": True},
        "context": "A report.",
    }
    assert blocks[4]["image"]["source"]["s3Location"]["bucketOwner"] == "111122223333"
    assert (blocks[6]["document"]["name"], blocks[7]["document"]["name"]) == ("report", "table")
    assert {type(block["cachePoint"]["ttl"]) for block in blocks if "cachePoint" in block} == {str}


@pytest.mark.parametrize("qualifiers", ["query", GuardContentQualifierEnum.QUERY, ["query"]])
def test_one_qualifier_of_guarded_content_needs_no_list(qualifiers: Any) -> None:
    (block,) = create_user_message().add_guard_content("Is it safe?", qualifiers).build()["content"]
    assert block == {"guardContent": {"text": {"text": "Is it safe?", "qualifiers": ["query"]}}}


def test_a_conversation_with_a_tool_is_valid() -> None:
    conversation = [
        create_user_message().add_text("How warm is Lima?").build(),
        create_assistant_message()
        .add_reasoning_content("I need the tool.", "AAA")
        .add_reasoning_content(redacted_content=b"secret")
        .add_tool_use("t1", "t", {"city": "Lima"})
        .add_tool_use("t2", "t", {})
        .add_tool_use("t3", "t", {})
        .build(),
        create_user_message()
        .add_tool_result("t1", {"celsius": 19})
        .add_tool_result("t2", "No station.", ToolResultStatusEnum.ERROR)
        .add_tool_result("t3", [{"text": "19"}])
        .build(),
    ]
    assert validate_request({"messages": conversation, "toolConfig": TOOLS}) == []
    results: Any = conversation[2]["content"]
    assert results[0]["toolResult"]["content"] == [{"json": {"celsius": 19}}]
    assert results[1]["toolResult"] == {
        "toolUseId": "t2",
        "content": [{"text": "No station."}],
        "status": "error",
    }


@pytest.mark.parametrize("arguments", [{}, {"text": "a", "redacted_content": b"b"}])
def test_reasoning_is_text_or_encrypted(arguments: dict[str, Any]) -> None:
    with pytest.raises(RequestValidationError, match="either text or redacted_content"):
        create_assistant_message().add_reasoning_content(**arguments)


def test_a_cache_point_follows_the_last_cacheable_block() -> None:
    point = {"cachePoint": {"type": "default"}}
    builder = (
        create_user_message().add_text("a", cacheable=True).add_image_bytes(PNG, cacheable=True).add_text("b")
    )
    assert builder.build()["content"][2] == point
    assert len(builder.build()["content"]) == 4  # also when it is built again
    explicit = create_user_message().add_text("a", True).add_cache_point(ttl="1h").add_text("b").build()
    assert explicit["content"][1] == {"cachePoint": {"type": "default", "ttl": "1h"}}
    assert len(explicit["content"]) == 3
    off = create_message(RolesEnum.USER, CacheConfig(enabled=False)).add_text("a", cacheable=True).build()
    assert off["content"] == [{"text": "a"}]


def test_a_builder_counts_its_blocks_and_knows_its_role() -> None:
    builder = create_message("assistant")
    assert (builder.role, builder.content_block_count) == (RolesEnum.ASSISTANT, 0)
    with pytest.raises(RequestValidationError, match="content: must contain at least one block"):
        builder.build()
    assert builder.add_text("Hi").content_block_count == 1
    assert builder.build() == {"role": "assistant", "content": [{"text": "Hi"}]}


def test_an_invalid_role_and_a_blank_text_are_errors() -> None:
    with pytest.raises(RequestValidationError, match="role: must be one of user, assistant"):
        MessageBuilder("robot")
    with pytest.raises(RequestValidationError, match=r"content\[0\].text: must be a text"):
        create_user_message().add_text(" ")


def test_bytes_that_are_no_file_have_no_format() -> None:
    assert formats_of(b"") == formats_of(b"RIFF\x00\x00\x00\x00WAVE") == ()


@pytest.mark.parametrize("content", [None, 19, b"19", ["19"]])
def test_the_content_of_a_tool_result_has_one_of_three_types(content: Any) -> None:
    with pytest.raises(RequestValidationError, match="must be a text, a dict, or a list of content blocks"):
        create_user_message().add_tool_result("t1", content)


@pytest.mark.parametrize("arguments", [None, "{}"])
def test_the_input_of_a_tool_call_is_a_dict(arguments: Any) -> None:
    with pytest.raises(RequestValidationError, match=r"content\[0\].toolUse.input: must be a dict"):
        create_assistant_message().add_tool_use("t1", "t", arguments)
