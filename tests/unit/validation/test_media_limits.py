"""Limits for size and number of files, by model."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from llmmanager.bedrock.catalog import media_limits as module
from llmmanager.bedrock.catalog.media_limits import MediaLimits, media_limits
from llmmanager.bedrock.catalog.model_table import known_names
from llmmanager.bedrock.exceptions.llm_manager_exceptions import RequestValidationError
from llmmanager.bedrock.models.llm_manager_constants import ContentLimits
from llmmanager.bedrock.validation.request import ValidRequest, build_request

Json = dict[str, Any]

CLAUDE_3 = "anthropic.claude-3-haiku-20240307-v1:0"
CLAUDE_3_7 = "anthropic.claude-3-7-sonnet-20250219-v1:0"
HAIKU_4_5 = "anthropic.claude-haiku-4-5-20251001-v1:0"
SONNET_5 = "anthropic.claude-sonnet-5"
NOVA_LITE = "amazon.nova-lite-v1:0"
NOVA_2 = "amazon.nova-2-lite-v1:0"
LLAMA = "meta.llama4-maverick-17b-instruct-v1:0"
UNKNOWN = "acme.talk-v1:0"
ARN = "arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/abc"


def image(size: int = 1) -> Json:
    return {"image": {"format": "png", "source": {"bytes": bytes(size)}}}


def s3_image(number: int) -> Json:
    return {"image": {"format": "png", "source": {"s3Location": {"uri": f"s3://bucket/{number}.png"}}}}


def document(file_format: str, size: int) -> Json:
    return {"document": {"name": "a file", "format": file_format, "source": {"bytes": bytes(size)}}}


def video(size: int = 1) -> Json:
    return {"video": {"format": "mp4", "source": {"bytes": bytes(size)}}}


def build(models: tuple[str, ...], *blocks: Json) -> ValidRequest:
    content = [{"text": "What is this?"}, *blocks]
    return build_request({"messages": [{"role": "user", "content": content}]}, model_ids=models)


def problems_of(models: tuple[str, ...], *blocks: Json) -> list[str]:
    with pytest.raises(RequestValidationError) as raised:
        build(models, *blocks)
    return raised.value.validation_errors


@pytest.mark.parametrize(
    ("model", "blocks"),
    [
        (HAIKU_4_5, [document("pdf", 6_000_000)]),
        (SONNET_5, [document("pdf", 6_000_000)]),
        (NOVA_LITE, [document("pdf", 6_000_000), document("docx", 6_000_000)]),
        (NOVA_2, [document("docx", 4_500_001)]),
        (HAIKU_4_5, [image()] * 29),
        (SONNET_5, [image()] * 29),
        (NOVA_2, [s3_image(number) for number in range(25)]),
        (LLAMA, [image()] * 21),
        (HAIKU_4_5, [image(3_932_160)]),
        (SONNET_5, [image(3_932_160)]),
        (NOVA_LITE, [image(3_932_160)]),
        (UNKNOWN, [*[image(9_000_000)] * 21, document("csv", 6_000_000), video(26_000_000), video()]),
        (ARN, [*[image()] * 21, document("pdf", 6_000_000)]),
        (CLAUDE_3, [*[image(3_750_000)] * 20, document("pdf", 4_500_000)]),
        (NOVA_LITE, [video(25_000_000)]),
    ],
)
def test_a_request_within_known_limits_is_sent(model: str, blocks: list[Json]) -> None:
    request = build((model,), *blocks)
    assert request.skipped_models == {}
    assert request.warnings in ((), ("the document 'a file' was sent as 'a file (2)'",))


FIRST = "messages[0].content[1]"


@pytest.mark.parametrize(
    ("model", "blocks", "problem"),
    [
        (
            CLAUDE_3,
            [image()] * 21,
            "messages: must contain at most 20 images, including tool results (got 21)",
        ),
        (
            CLAUDE_3_7,
            [image(3_750_001)],
            f"{FIRST}.image.source.bytes: must be at most 3750000 bytes (got 3750001 bytes)",
        ),
        (
            HAIKU_4_5,
            [image(3_932_161)],
            f"{FIRST}.image.source.bytes: must be at most 3932160 bytes (got 3932161 bytes)",
        ),
        (
            CLAUDE_3,
            [document("pdf", 4_500_001)],
            f"{FIRST}.document.source.bytes: must be at most 4500000 bytes (got 4500001 bytes)",
        ),
        (
            HAIKU_4_5,
            [document("docx", 4_500_001)],
            f"{FIRST}.document.source.bytes: must be at most 4500000 bytes (got 4500001 bytes)",
        ),
        (
            NOVA_2,
            [document("csv", 4_500_001)],
            f"{FIRST}.document.source.bytes: must be at most 4500000 bytes (got 4500001 bytes)",
        ),
        (
            LLAMA,
            [document("pdf", 4_500_001)],
            f"{FIRST}.document.source.bytes: must be at most 4500000 bytes (got 4500001 bytes)",
        ),
        (
            NOVA_2,
            [video(), video()],
            "messages: must contain at most 1 video, including tool results (got 2)",
        ),
        (
            NOVA_LITE,
            [video(25_000_001)],
            f"{FIRST}.video.source.bytes: must be at most 25000000 bytes (got 25000001 bytes)",
        ),
    ],
)
def test_an_exceeded_limit_is_a_problem_with_field_and_model(
    model: str, blocks: list[Json], problem: str
) -> None:
    assert problems_of((model,), *blocks) == [f"{problem}, a limit of {model}"]


@pytest.mark.parametrize("model", [CLAUDE_3, NOVA_2, UNKNOWN, ARN])
def test_every_model_is_limited_to_five_documents(model: str) -> None:
    documents = [document("txt", 1) for _ in range(6)]
    assert problems_of((model,), *documents) == [
        "messages: must contain at most 5 documents, including tool results (got 6)"
    ]


def test_files_in_tool_results_count() -> None:
    use = {"toolUse": {"toolUseId": "t1", "name": "camera", "input": {}}}
    result = {"toolResult": {"toolUseId": "t1", "content": [image(3_750_001), *[image()] * 10]}}
    tools = {"tools": [{"toolSpec": {"name": "camera", "inputSchema": {"json": {"type": "object"}}}}]}
    messages = [
        {"role": "user", "content": [*[image()] * 10]},
        {"role": "assistant", "content": [use]},
        {"role": "user", "content": [result]},
    ]
    with pytest.raises(RequestValidationError) as raised:
        build_request({"messages": messages, "tool_config": tools}, model_ids=[CLAUDE_3])
    assert [problem.partition(": ")[0] for problem in raised.value.validation_errors] == [
        "messages[2].content[0].toolResult.content[0].image.source.bytes",
        "messages",
    ]


def test_only_models_whose_limit_is_exceeded_are_skipped() -> None:
    request = build((CLAUDE_3, NOVA_2, CLAUDE_3_7), *[image()] * 21)
    assert set(request.skipped_models) == {CLAUDE_3, CLAUDE_3_7}
    problem = "messages: must contain at most 20 images, including tool results (got 21)"
    assert request.warnings == (
        f"{CLAUDE_3} was skipped: {problem}",
        f"{CLAUDE_3_7} was skipped: {problem}",
    )


def test_a_request_that_no_model_accepts_is_rejected_with_all_limits() -> None:
    problems = problems_of((CLAUDE_3, HAIKU_4_5), image(3_932_161), document("csv", 4_500_001))
    one, two = f"{FIRST}.image.source.bytes", "messages[0].content[2].document.source.bytes"
    assert problems == [
        f"{one}: must be at most 3750000 bytes (got 3932161 bytes), a limit of {CLAUDE_3}",
        f"{two}: must be at most 4500000 bytes (got 4500001 bytes), a limit of {CLAUDE_3}, {HAIKU_4_5}",
        f"{one}: must be at most 3932160 bytes (got 3932161 bytes), a limit of {HAIKU_4_5}",
    ]


def test_limits_are_reported_with_the_other_problems_of_a_request() -> None:
    messages = [{"role": "user", "content": [image(3_750_001)]}]
    with pytest.raises(RequestValidationError) as raised:
        build_request({"messages": messages, "inference_config": {"maxTokens": 0}}, model_ids=[CLAUDE_3])
    assert raised.value.invalid_fields == [
        "inferenceConfig.maxTokens",
        "messages[0].content[0].image.source.bytes",
    ]


def test_the_limits_of_some_models_are_no_problem_of_an_invalid_request() -> None:
    with pytest.raises(RequestValidationError) as raised:
        build((CLAUDE_3, NOVA_LITE), document("pdf", 5_000_000), {"text": 3})
    assert [problem.partition(":")[0] for problem in raised.value.validation_errors] == [
        "messages[0].content[2].text"
    ]


def test_a_value_that_raises_when_read_is_one_problem() -> None:
    class Hostile(list[Any]):
        def __iter__(self) -> Any:
            raise ZeroDivisionError

    with pytest.raises(RequestValidationError, match="must be plain data"):
        build_request({"messages": Hostile([1])}, model_ids=[CLAUDE_3])


def test_the_number_of_reported_files_is_limited() -> None:
    assert len(problems_of((CLAUDE_3,), *[image(3_750_001)] * 1500)) == 1000


def test_large_files_are_not_copied() -> None:
    blocks = [image(3_000_000), document("pdf", 4_000_000)]
    messages = [{"role": "user", "content": [{"text": "x"}, *blocks]}]
    build_request({"messages": messages}, model_ids=[CLAUDE_3])
    tracemalloc.start()
    try:
        build_request({"messages": messages}, model_ids=[CLAUDE_3])
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()


# ---- the table


def test_known_models_have_limits_and_unknown_models_have_none() -> None:
    for model_id in known_names():
        limits = media_limits(model_id)
        assert limits.document_bytes == ContentLimits.MAX_DOCUMENT_SIZE_BYTES
        assert (limits.videos, limits.video_bytes) == (1, ContentLimits.MAX_VIDEO_SIZE_BYTES)
    assert media_limits(UNKNOWN) == media_limits(ARN) == MediaLimits()


def test_only_claude_3_models_have_the_documented_limits() -> None:
    documented = MediaLimits(
        images=ContentLimits.MAX_IMAGES_PER_REQUEST,
        image_bytes=ContentLimits.MAX_IMAGE_SIZE_BYTES,
        document_bytes=ContentLimits.MAX_DOCUMENT_SIZE_BYTES,
        videos=ContentLimits.MAX_VIDEOS_PER_REQUEST,
        video_bytes=ContentLimits.MAX_VIDEO_SIZE_BYTES,
    )
    old = {model_id for model_id in known_names() if media_limits(model_id) == documented}
    assert old == {model_id for model_id in known_names() if model_id.startswith("anthropic.claude-3-")}


def test_every_family_of_the_table_has_known_models() -> None:
    table = json.loads(Path(module.__file__).with_name("media_limits.json").read_text())
    prefixes = [prefix for family in table["families"] for prefix in family["prefixes"]]
    unused = [prefix for prefix in prefixes if not any(id_.startswith(prefix) for id_ in known_names())]
    assert unused == []
    assert table["date"]
