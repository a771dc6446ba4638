"""A streamed response is checked when a handler creates it."""

from __future__ import annotations

from typing import Any

import pytest

from lambdas.streamed_response import StreamDeadline, StreamedResponse, close_body


def test_a_valid_response_is_accepted() -> None:
    response = StreamedResponse(200, {"Content-Type": "text/event-stream", "x-empty": ""}, [b"a"], ("a=1",))
    assert list(response.body) == [b"a"]


@pytest.mark.parametrize("status", [0, 100, 199, 600, "200", None, 200.0])
def test_an_invalid_status_is_rejected(status: Any) -> None:
    with pytest.raises(ValueError, match="status must be a number from 200 to 599"):
        StreamedResponse(status, {}, [])


@pytest.mark.parametrize("name", ["", "a b", "a:b", "a\r\nb", "ü", 7])
def test_an_invalid_header_name_is_rejected(name: Any) -> None:
    with pytest.raises(ValueError, match="headers: invalid name"):
        StreamedResponse(200, {name: "value"}, [])


@pytest.mark.parametrize("value", ["a\r\nb: c", "a\n", "\x00", "\x7f"])
def test_a_value_with_a_control_character_is_rejected(value: str) -> None:
    with pytest.raises(ValueError, match=r"headers\['x'\] must not contain line breaks"):
        StreamedResponse(200, {"x": value}, [])
    with pytest.raises(ValueError, match=r"cookies\[1\] must not contain line breaks"):
        StreamedResponse(200, {}, [], ("a=1", value))


def test_a_value_that_is_no_string_is_rejected() -> None:
    headers: Any = {"Retry-After": 1}
    with pytest.raises(ValueError, match=r"headers\['Retry-After'\] must be a string \(got int\)"):
        StreamedResponse(429, headers, [])


@pytest.mark.parametrize("body", ["text", b"bytes", bytearray(b"bytes"), memoryview(b"bytes")])
def test_a_body_that_is_a_single_piece_is_rejected(body: Any) -> None:
    with pytest.raises(ValueError, match="body must be an iterable of bytes, such as"):
        StreamedResponse(200, {}, body)


def test_a_body_without_a_close_method_needs_no_closing() -> None:
    close_body([b"a"])


def test_code_that_handles_errors_does_not_catch_the_deadline() -> None:
    assert not issubclass(StreamDeadline, Exception)
