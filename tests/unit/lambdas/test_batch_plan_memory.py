"""How much memory a plan takes: it streams, and keeps no more of a record than a digest of its id."""

from __future__ import annotations

import json
import tracemalloc

from lambdas.batch.plan import cut_shards
from lambdas.batch.records import Record, read_records
from lambdas.shared.codec import encode_record
from lambdas.shared.json_text import dump_line

PROMPT = "x" * 1900


def lines(count):
    for number in range(count):
        record = {
            "recordId": f"record-{number}",
            "messages": [{"role": "user", "content": [{"text": PROMPT}]}],
        }
        yield json.dumps(record).encode() + b"\n"


def peak(count):
    """Most bytes that planning so many records of 2 KB takes at one moment."""
    tracemalloc.start()
    try:
        entries = read_records(lines(count))
        shards = cut_shards(
            (dump_line(encode_record(entry.request)) for entry in entries if isinstance(entry, Record)),
            shard_size=500,
            spread=3,
        )
        assert sum(map(len, shards)) == count
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_plan_takes_no_more_memory_for_more_records_than_their_ids_digests():
    # 15,000 records more are 30 MB more to read. A digest takes 45 bytes, its place in a set up to 128.
    assert peak(20_000) - peak(5_000) < 15_000 * 200
