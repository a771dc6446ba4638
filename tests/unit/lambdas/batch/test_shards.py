"""Cutting the lines of a batch into shards."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lambdas.batch.plan import FIRST_SHARD_SIZE, MAX_SHARD_BYTES, cut_shards

# However busy the machine is.
PATIENTLY = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@PATIENTLY
@given(st.lists(st.integers(1, 50)), st.integers(1, 60), st.integers(1, 5))
def test_shards_have_every_line_in_order_within_their_limits(sizes, shard_size, spread):
    lines = [b"x" * size for size in sizes]

    shards = list(cut_shards(lines, shard_size=shard_size, spread=spread))

    assert [line for shard in shards for line in shard] == lines
    assert all(0 < len(shard) <= shard_size for shard in shards)


@PATIENTLY
@given(st.integers(0, 300), *[st.tuples(st.integers(1, 60), st.integers(1, 5))] * 2)
def test_shards_have_their_earlier_sizes_when_settings_change(count, before, now):
    lines = [b"%d" % number for number in range(count)]
    sizes = [len(shard) for shard in cut_shards(lines, shard_size=before[0], spread=before[1])]

    again = cut_shards(lines, shard_size=now[0], spread=now[1], earlier_sizes=sizes)

    assert [len(shard) for shard in again] == sizes


@pytest.mark.parametrize("regions", [1, 2, 3, 5])
def test_a_small_batch_has_as_many_shards_as_regions(regions):
    lines = [b"x"] * (FIRST_SHARD_SIZE * regions)

    assert len(list(cut_shards(lines, shard_size=500, spread=regions))) == regions


def test_a_large_batch_has_few_more_shards_than_necessary():
    shards = list(cut_shards([b"x"] * 100_000, shard_size=500, spread=3))

    assert 200 <= len(shards) <= 215
    assert max(map(len, shards)) == 500


def test_a_shard_is_limited_in_bytes_but_may_have_one_line_of_any_size():
    large, small = b"x" * (MAX_SHARD_BYTES + 1), b"y"

    assert [len(shard) for shard in cut_shards([small, large, small, small], shard_size=9, spread=1)] == [
        1,
        1,
        2,
    ]
