"""Strict parsing of JSON."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from llmmanager.json_format.json_text import MAX_DEPTH, InvalidJson, dump, dump_line, parse

# Without limits of time, for busy machines.
PATIENTLY = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@PATIENTLY
@given(JSON)
def test_a_dumped_value_is_parsed_to_the_same_value(value):
    assert parse(dump(value)) == value


@PATIENTLY
@given(JSON)
@example("\x85 \u2028 \u2029 \x0b \x0c \x1c \x1d \x1e")
def test_a_dumped_line_is_one_line(value):
    line = dump_line(value)

    assert line.endswith(b"\n")
    assert len(line.splitlines()) == len(line.decode("utf-8").splitlines()) == 1
    assert parse(line) == value


def test_a_lone_surrogate_can_be_dumped():
    assert parse(dump({"text": "\ud800 and é"})) == {"text": "\ud800 and é"}


@pytest.mark.parametrize("marks", [1, 2])
def test_a_byte_order_mark_before_a_text_is_skipped(marks):
    text = "\ufeff" * marks + '{"a": "\ufeff"}'

    assert parse(text) == parse(text.encode()) == {"a": "\ufeff"}


@pytest.mark.parametrize(
    ("encoding", "name"), [("utf-16", "UTF-16"), ("utf-16-be", "UTF-16"), ("utf-32-le", "UTF-32")]
)
def test_a_text_that_is_not_utf_8_is_rejected_with_its_encoding(encoding, name):
    with pytest.raises(InvalidJson, match=f"not UTF-8 text: it is {name} text"):
        parse('{"a": 1}'.encode(encoding))


def test_other_scripts_are_not_escaped():
    assert "質問".encode() in dump({"text": "質問"})


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff", "not UTF-8"),
        (b'{"a": 1} {"b": 2}', "not JSON"),
        (b'{"messages": [], "messages": []}', "'messages' is given twice"),
        (b'{"a": {"b": 1, "b": 2}}', "'b' is given twice"),
        # A search that compares all pairs of keys would take minutes.
        (json.dumps(dict.fromkeys(map(str, range(100_000)))).encode()[:-1] + b', "99999": 1}', "'99999' is"),
        (b'{"temperature": NaN}', "NaN"),
        (b"[-Infinity]", "-Infinity"),
        (b"1e999", "exceeds a double"),
        (b"9" * 5000, "more than 4300 digits"),
        (b"[" * 100_000, "nested"),
        (b"[" * (MAX_DEPTH + 2) + b"]" * (MAX_DEPTH + 2), "nested"),
        (b'{"a":' * 400 + b"1" + b"}" * 400, "nested"),
        ("[1,]", "not JSON"),
        ('"\ud800', "not JSON"),
    ],
)
def test_invalid_json_is_rejected_with_a_reason(text, reason):
    with pytest.raises(InvalidJson, match=reason):
        parse(text)


def test_nesting_up_to_the_limit_is_accepted():
    assert parse("[" * MAX_DEPTH + "]" * MAX_DEPTH) == json.loads("[" * MAX_DEPTH + "]" * MAX_DEPTH)


@PATIENTLY
@given(st.binary() | st.text())
def test_any_text_is_parsed_or_rejected(text):
    try:
        value = parse(text)
    except InvalidJson:
        return
    assert parse(dump(value)) == value
