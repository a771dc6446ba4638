"""The memory of a plan does not depend on the number of records."""

from __future__ import annotations

import json
import tracemalloc

from lambdas.batch.plan import cut_shards
from llmmanager.batch_files.records import Record, read_records

PROMPT = "x" * 1900


def lines(count):
    for number in range(count):
        record = {
            "recordId": f"record-{number}",
            "messages": [{"role": "user", "content": [{"text": PROMPT}]}],
        }
        yield json.dumps(record).encode() + b"\n"


def peak(count):
    """Return the peak memory of a plan with this number of records of 2 KB, in bytes."""
    tracemalloc.start()
    try:
        entries = read_records(lines(count), check=None)
        shards = cut_shards(
            (entry.to_line() for entry in entries if isinstance(entry, Record)),
            shard_size=500,
            spread=3,
        )
        assert sum(map(len, shards)) == count
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_plan_needs_no_more_memory_for_more_records():
    # The difference of 4,000 records is 8 MB of input. Python does not count the memory of the table of ids.
    assert peak(9_000) - peak(5_000) < 500_000
