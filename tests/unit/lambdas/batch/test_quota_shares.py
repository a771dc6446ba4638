"""The part of the quotas that each worker of a batch starts with."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.batch.quota_shares import quota_shares


def test_shards_that_run_at_once_divide_the_quotas_by_their_records():
    assert quota_shares([32, 64, 128, 256, 10], workers=10) == [n / 490 for n in (32, 64, 128, 256, 10)]


def test_the_last_shards_divide_the_quotas_between_them():
    assert quota_shares([100, 100, 100, 50], workers=3) == [pytest.approx(1 / 3)] * 3 + [1.0]


def test_finished_shards_take_next_to_nothing():
    assert quota_shares([0, 100, 0], workers=3) == [1 / 102, 100 / 102, 1 / 102]


@given(records=st.lists(st.integers(-5, 1_000_000), max_size=60), workers=st.integers(1, 50))
def test_the_shards_of_a_round_use_the_whole_quota(records, workers):
    shares = quota_shares(records, workers=workers)

    assert len(shares) == len(records)
    assert all(0 < share <= 1 for share in shares)
    for start in range(0, len(shares), workers):
        assert sum(shares[start : start + workers]) == pytest.approx(1)
