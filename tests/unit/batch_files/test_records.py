"""Reading the lines of batch files."""

from __future__ import annotations

import json
import tracemalloc

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmmanager.batch_files.records import InputFile, Record, Rejected, read_files, read_records, split_lines
from llmmanager.json_format.codec import decode_record
from llmmanager.json_format.text_encoding import without_byte_order_mark

# However busy the machine is.
PATIENTLY = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
MESSAGES = [{"role": "user", "content": [{"text": "Hello"}]}]
LIMIT = 1000


def chunked(text, cuts):
    ends = sorted(cut % (len(text) + 1) for cut in cuts)
    return [text[start:end] for start, end in zip([0, *ends], [*ends, len(text)], strict=True)]


def read(*lines, **options):
    return list(read_records([b"\n".join(lines)], check=None, **options))


def record(**fields):
    return json.dumps({"messages": MESSAGES, **fields}).encode()


@PATIENTLY
@given(
    st.lists(st.binary(max_size=30).map(lambda line: line.replace(b"\n", b"").rstrip(b"\r")), min_size=1),
    st.sampled_from([b"\n", b"\r\n"]),
    st.lists(st.integers(0, 10_000), max_size=20),
    st.sets(st.integers(0, 10)),
    st.booleans(),
)
def test_lines_do_not_depend_on_the_chunks(lines, ending, cuts, marked, last_line_ends):
    lines = [without_byte_order_mark(line) for line in lines]
    # A file that was joined from others has a byte order mark in the middle as well.
    marks = [b"\xef\xbb\xbf" if number in marked else b"" for number in range(len(lines))]
    text = ending.join(mark + line for mark, line in zip(marks, lines, strict=True))
    text += ending if last_line_ends else b""

    found = list(split_lines(chunked(text, cuts), max_bytes=LIMIT))

    # An empty last line and no last line are the same; so is a mark with nothing after it.
    while lines and not lines[-1]:
        lines.pop()
    while found and not found[-1]:
        found.pop()
    assert found == lines


@PATIENTLY
@given(st.integers(1, 50), st.lists(st.integers(0, 10_000), max_size=10))
def test_a_line_beyond_the_limit_is_skipped_and_the_next_is_read(limit, cuts):
    text = b"a" * (limit + 1) + b"\n" + b"b" * limit + b"\n" + b"c" * (limit * 3)

    assert list(split_lines(chunked(text, cuts), max_bytes=limit)) == [None, b"b" * limit, None]


def test_a_line_beyond_the_limit_is_never_in_memory():
    chunk = b"x" * 100_000
    tracemalloc.start()
    try:
        lines = list(split_lines([chunk] * 1000 + [b"\nend"], max_bytes=200_000))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert lines == [None, b"end"]
    assert peak < 1_000_000


def test_blank_lines_are_counted_but_are_not_records():
    entries = read(record(), b"", b"   ", record())

    assert [(entry.line, entry.request.request_id) for entry in entries] == [(1, "line-1"), (4, "line-4")]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{", "record: not JSON"),
        (b'"text"', "record: must be a JSON object"),
        (b'{"messages": NaN}', "record: not JSON: NaN"),
        (b"\xff\xfe", "record: not UTF-8"),
        (b"x" * (LIMIT + 1), f"record: must be at most {LIMIT} bytes"),
        (b'{"recordId": "b"}', "messages: "),
    ],
)
def test_an_invalid_line_is_rejected_by_its_number_and_the_others_are_read(line, reason):
    first, bad, last = read(record(recordId="a"), line, record(recordId="c"), max_line_bytes=LIMIT)

    assert isinstance(bad, Rejected)
    assert bad.line == 2
    assert bad.reasons[0].startswith(reason)
    assert isinstance(first, Record)
    assert isinstance(last, Record)


def test_a_rejected_line_has_the_id_of_its_record_if_it_can_be_read():
    with_id, without = read(b'{"recordId": "b"}', b"{")

    assert with_id.to_json()["recordId"] == "b"
    assert "recordId" not in without.to_json()


def test_a_repeated_id_is_rejected_even_if_it_is_a_default_id():
    entries = read(record(recordId="a"), record(recordId="a"), record(recordId="line-4"), record())

    assert [type(entry) for entry in entries] == [Record, Rejected, Record, Rejected]
    assert "earlier line" in entries[1].reasons[0]


def test_the_id_of_a_rejected_record_can_be_used_again():
    bad, good = read(b'{"recordId": "a"}', record(recordId="a"))

    assert isinstance(bad, Rejected)
    assert isinstance(good, Record)


def test_a_record_needs_an_id_if_the_name_of_its_file_is_too_long_for_a_default_id():
    lines = b"\n".join([record(), record(recordId="a")])
    without, named = read_files([InputFile([lines], "s3://bucket/in/file", id_prefix="x" * 507)], check=None)
    (fits,) = read_files([InputFile([record()], id_prefix="x" * 506)], check=None)

    assert without.to_json() == {
        "file": "s3://bucket/in/file",
        "line": 1,
        "reasons": ["recordId: is required, because the name of the file is too long for a default id"],
        "text": record().decode(),
    }
    assert named.request.request_id == "a"
    assert decode_record(json.loads(fits.to_line()), default_id="none") == fits.request


def test_an_id_may_have_a_lone_surrogate():
    (entry,) = read(rb'{"recordId": "\ud800", "messages": [{"role": "user", "content": [{"text": "a"}]}]}')

    assert entry.request.request_id == "\ud800"


@pytest.mark.parametrize(
    ("fields", "stands"),
    [
        ({"recordId": "a", "modelInput": {"messages": MESSAGES, "priority": None}}, True),
        ({"modelInput": {"messages": MESSAGES}}, False),
        ({"recordId": None, "modelInput": {"messages": MESSAGES}}, False),
        ({"recordId": "a", "modelInput": {"messages": MESSAGES, "inference_config": None}}, False),
        ({"recordId": "a", "modelInput": {"messages": MESSAGES}, "error": None}, False),
        ({"recordId": "a", "messages": MESSAGES}, False),
    ],
)
def test_a_record_in_the_form_of_a_shard_is_copied_unchanged(fields, stands):
    line = json.dumps(fields).encode()

    (entry,) = read(b" " + line + b"\r")
    written = entry.to_line()

    assert (written == line + b"\n") is stands
    assert decode_record(json.loads(written), default_id="none") == entry.request
