"""botocore decodes every encoded frame."""

from __future__ import annotations

from botocore.eventstream import EventStreamBuffer
from hypothesis import given
from hypothesis import strategies as st

from llmmanager.testing import event_stream

HEADERS = st.dictionaries(st.text("abcdefg:-", min_size=1, max_size=20), st.text(max_size=50), max_size=5)


@given(st.lists(st.tuples(HEADERS, st.binary(max_size=500)), max_size=4), st.integers(1, 64))
def test_frames_are_decoded_by_botocore(messages: list[tuple[dict[str, str], bytes]], piece: int) -> None:
    sent = b"".join(event_stream.frame(headers, payload) for headers, payload in messages)
    buffer, received = EventStreamBuffer(), []
    for start in range(0, len(sent), piece):
        buffer.add_data(sent[start : start + piece])
        received += [(message.headers, message.payload) for message in buffer]
    assert received == messages
