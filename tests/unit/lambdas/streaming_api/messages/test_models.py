"""Models in Anthropic's format."""

from __future__ import annotations

from typing import Any

import pytest

from lambdas.streaming_api.mapping_error import MappingError
from lambdas.streaming_api.messages.models import model_document, models_page
from tests.unit.lambdas.streaming_api.messages.anthropic_messages import HAIKU_4_5
from tests.unit.lambdas.streaming_api.rows import row

DOCUMENTS = [model_document(name, "a.model") for name in "abcde"]


def page(**query: Any) -> tuple[str, bool, str | None, str | None]:
    found = models_page(DOCUMENTS, **query)
    ids = "".join(document["id"] for document in found["data"])
    return ids, found["has_more"], found["first_id"], found["last_id"]


@row("`GET /models/{id}` with this header")
def test_a_model_has_its_limits() -> None:
    assert model_document("claude-haiku-4-5", HAIKU_4_5) == {
        "type": "model",
        "id": "claude-haiku-4-5",
        "display_name": "Claude Haiku 4.5",
        "created_at": "1970-01-01T00:00:00Z",
        "lifecycle": "active",
        "max_input_tokens": 200_000,
        "max_tokens": 64_000,
    }


def test_an_unknown_model_has_no_limits() -> None:
    document = model_document("My model", "arn:aws:bedrock:us-east-1:123456789012:custom-model-deployment/a")
    assert (document["display_name"], document["max_tokens"]) == ("My model", None)


@row("`GET /models` with the header `anthropic-version`")
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ("abcde", False, "a", "e")),
        ({"limit": "2"}, ("ab", True, "a", "b")),
        ({"limit": "2", "after_id": "b"}, ("cd", True, "c", "d")),
        ({"limit": "2", "after_id": "d"}, ("e", False, "e", "e")),
        ({"after_id": "e"}, ("", False, None, None)),
        ({"limit": "2", "before_id": "d"}, ("bc", True, "b", "c")),
        ({"limit": "2", "before_id": "b"}, ("a", False, "a", "a")),
        ({"limit": "1", "after_id": "a", "before_id": "d"}, ("b", True, "b", "b")),
    ],
)
def test_a_list_has_pages(query: Any, expected: Any) -> None:
    assert page(**query) == expected


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": "1001"}, "limit"),
        ({"limit": "9" * 5000}, "limit"),
        ({"limit": "two"}, "limit"),
        ({"limit": ""}, "limit"),
        ({"after_id": "x"}, "after_id"),
        ({"before_id": "x"}, "before_id"),
    ],
)
def test_an_invalid_page_is_rejected(query: Any, param: str) -> None:
    with pytest.raises(MappingError) as rejected:
        page(**query)
    assert rejected.value.param == param
