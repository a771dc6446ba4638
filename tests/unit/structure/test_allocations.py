"""What a call with large bytes holds in memory, beside what boto3 alone holds."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse

from llmmanager import LLMManager

MODEL_ID = "amazon.nova-lite-v1:0"
IMAGE = bytes(3_700_000)
ASK: list[dict[str, Any]] = [
    {
        "role": "user",
        "content": [{"text": "What is this?"}, {"image": {"format": "png", "source": {"bytes": IMAGE}}}],
    }
]
ANSWER = (
    b'{"output":{"message":{"role":"assistant","content":[{"text":"A picture."}]}},"stopReason":"end_turn"}'
)

pytestmark = pytest.mark.usefixtures("aws_credentials")


class _Raw:
    def stream(self, *_: Any, **__: Any) -> Iterator[bytes]:
        yield ANSWER


def answered_before_it_leaves(client: Any) -> Any:
    """The client, its calls answered here, so that only what is built of them counts."""
    client.meta.events.register(
        "before-send",
        lambda request, **_: AWSResponse(request.url, 200, {"content-type": "application/json"}, _Raw()),
    )
    return client


def peak(call: Callable[[], object]) -> int:
    """Most bytes that were allocated at one time by a call, the second of two."""
    call()
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        call()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


def test_an_image_is_held_no_more_often_than_boto3_holds_it() -> None:
    manager = LLMManager(["Nova Lite"], ["us-east-1"])
    answered_before_it_leaves(manager._clients.client("bedrock-runtime", "us-east-1"))
    client = answered_before_it_leaves(boto3.client("bedrock-runtime", region_name="us-east-1"))
    ours = peak(lambda: manager.converse(ASK))
    theirs = peak(lambda: client.converse(modelId=MODEL_ID, messages=ASK))
    assert ours <= theirs
    # Base64, four thirds of it, twice: as JSON's text and as the bytes that are sent.
    assert ours <= 2.8 * len(IMAGE)
    manager.close()


def test_an_answered_call_leaves_nothing_of_its_image_behind() -> None:
    manager = LLMManager(["Nova Lite"], ["us-east-1"])
    answered_before_it_leaves(manager._clients.client("bedrock-runtime", "us-east-1"))
    manager.converse(ASK)
    gc.collect()
    tracemalloc.start()
    response = manager.converse(ASK)
    kept = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert response.success
    assert kept < 100_000
    manager.close()
