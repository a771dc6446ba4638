"""A streaming handler under the standard runtime returns a result of the Lambda proxy integration."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.buffered_response import MAX_RESPONSE_BYTES, buffered
from lambdas.streamed_response import StreamedResponse


def result_of(body: Iterable[bytes], **fields: Any) -> dict[str, Any]:
    """Return the result of a handler that responds with this body."""
    response = StreamedResponse(fields.get("status", 200), fields.get("headers", {}), body, **cookies(fields))
    return buffered(lambda event, context: response)({}, None)


def cookies(fields: dict[str, Any]) -> dict[str, Any]:
    return {"cookies": fields["cookies"]} if "cookies" in fields else {}


class Body:
    """A body that notes that it was closed."""

    def __init__(self, pieces: Iterable[bytes], error: Exception | None = None) -> None:
        self.pieces, self.error, self.closed = pieces, error, False

    def __iter__(self) -> Iterator[bytes]:
        yield from self.pieces
        if self.error:
            raise self.error

    def close(self) -> None:
        self.closed = True


def test_the_body_is_joined() -> None:
    assert result_of([b"one, ", b"", "größer".encode()], status=201, headers={"x": "y"}) == {
        "statusCode": 201,
        "headers": {"x": "y"},
        "multiValueHeaders": {},
        "body": "one, größer",
        "isBase64Encoded": False,
    }


def test_each_cookie_is_a_header() -> None:
    result = result_of([], cookies=("a=1", "b=2"))
    assert result["multiValueHeaders"] == {"Set-Cookie": ["a=1", "b=2"]}


def test_a_character_that_is_split_between_pieces_is_text() -> None:
    first, second = "😀".encode()[:2], "😀".encode()[2:]
    assert result_of([first, second])["body"] == "😀"


@given(st.lists(st.binary()))
def test_any_body_can_be_decoded_from_the_result(pieces: list[bytes]) -> None:
    result = json.loads(json.dumps(result_of(pieces)))
    body = base64.b64decode(result["body"]) if result["isBase64Encoded"] else result["body"].encode()
    assert body == b"".join(pieces)


def test_the_handler_gets_event_and_context() -> None:
    def handler(event: Any, context: Any) -> StreamedResponse:
        return StreamedResponse(200, {}, [json.dumps([event, context]).encode()])

    wrapped = buffered(handler)
    assert json.loads(wrapped({"a": 1}, "context")["body"]) == [{"a": 1}, "context"]
    assert wrapped.__name__ == "handler"


@pytest.mark.parametrize("character", [b"a", b"\xff", b"\x01"])
def test_a_response_above_lambdas_limit_is_a_clear_error(character: bytes) -> None:
    """Base64 and JSON's escapes count, too."""
    body = Body([character * 1_000_000] * 6 + [character * 400_000])
    result = result_of(body)
    assert result["statusCode"] == 500
    assert result["headers"]["Content-Type"] == "application/json"
    assert "The response is larger than 6 MB" in json.loads(result["body"])["error"]["message"]
    assert body.closed


def test_a_response_within_lambdas_limit_is_returned() -> None:
    result = result_of([b"a" * (MAX_RESPONSE_BYTES - 1_000)])
    assert result["statusCode"] == 200
    assert len(json.dumps(result)) <= MAX_RESPONSE_BYTES


def test_an_endless_body_is_read_to_the_limit_only() -> None:
    def endless() -> Iterator[bytes]:
        while True:
            yield bytes(1_000_000)

    assert result_of(endless())["statusCode"] == 500


def test_an_error_during_the_body_is_raised_after_the_body_is_closed() -> None:
    body = Body([b"one"], ValueError("lost"))
    with pytest.raises(ValueError, match="lost"):
        result_of(body)
    assert body.closed


def test_the_body_is_closed_at_the_end() -> None:
    body = Body([b"one"])
    assert result_of(body)["body"] == "one"
    assert body.closed
