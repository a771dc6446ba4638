"""Markdown code blocks in answers."""

from __future__ import annotations

import pytest

from llmmanager.bedrock.structured.code_block import first_code_block, whole_code_block

MANY = 200_000


@pytest.mark.parametrize(
    ("text", "whole", "first"),
    [
        ('```json\n{"a": 1}\n```', '{"a": 1}', '{"a": 1}'),
        ("  ```JSON  \r\n\n{}\n\n```  \n", "{}", "{}"),
        ("```\n[]```", "[]", "[]"),
        ("```json\n```", "", ""),
        ("Here:\n```\n1\n```\nBye", None, "1"),
        ("```\n1\n```\n```\n2\n```", "1\n```\n```\n2", "1"),
        ("```python\n1\n```", None, None),
        ("```json\n1", None, None),
        ("```json", None, None),
        ("```\n", None, None),
        ("1", None, None),
        ("", None, None),
    ],
)
def test_the_content_of_a_block_is_found(text: str, whole: str | None, first: str | None) -> None:
    assert whole_code_block(text) == whole
    assert first_code_block(text) == first


@pytest.mark.parametrize(
    "text", ["```json" + "\n" * MANY, "```\n" + "\n " * MANY, "```json\n{" + " " * MANY, "```\n" * MANY]
)
def test_a_model_that_repeats_itself_does_not_stop_the_search(text: str) -> None:
    # A regular expression with backtracking would take minutes.
    assert whole_code_block(text + "x") is None
    assert not first_code_block(text)
