"""A repeated request with an Idempotency-Key, from OpenAI's Python client."""

from __future__ import annotations

from typing import Any

import openai
import pytest

from llmmanager.testing import FakeBedrock

HELLO: Any = {"model": "Nova Lite", "messages": [{"role": "user", "content": "Tell me about bees"}]}


def test_a_repeated_request_gets_the_same_answer_which_is_paid_for_once(
    openai_client: openai.OpenAI, bedrock: FakeBedrock
) -> None:
    headers = {"Idempotency-Key": "the-first-question"}
    first, second = (openai_client.chat.completions.create(**HELLO, extra_headers=headers) for _ in range(2))
    assert first == second
    assert len(bedrock.calls) == 1


def test_a_repeated_stream_gets_the_same_chunks_which_are_paid_for_once(
    openai_client: openai.OpenAI, bedrock: FakeBedrock
) -> None:
    headers = {"Idempotency-Key": "the-second-question"}
    streams = []
    for _ in range(2):
        with openai_client.chat.completions.create(**HELLO, extra_headers=headers, stream=True) as stream:
            streams.append(list(stream))
    assert streams[0] == streams[1]
    assert len(streams[0]) > 10
    assert len(bedrock.calls) == 1


def test_a_key_that_was_used_for_another_request_is_an_error(openai_client: openai.OpenAI) -> None:
    headers = {"Idempotency-Key": "the-third-question"}
    openai_client.chat.completions.create(**HELLO, extra_headers=headers)
    with pytest.raises(openai.UnprocessableEntityError, match="Idempotency-Key"):
        openai_client.chat.completions.create(**HELLO, extra_headers=headers, temperature=0.5)
