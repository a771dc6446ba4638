"""Which part of the quotas each worker of a batch starts with."""

from __future__ import annotations

from collections.abc import Sequence


def quota_shares(records: Sequence[int], *, workers: int) -> list[float]:
    """Return a share above 0 for each shard, in order.

    The shards that run at the same time divide the quotas in proportion to their records. So they end at
    about the same time, and no part of the quotas is left unused by shards that ended early.

    Args:
        records: for each shard, how many records have no result yet.
        workers: how many shards run at once.
    """
    shares: list[float] = []
    for start in range(0, len(records), workers):
        # A finished shard, or one whose last part is not listed, needs a share above 0 too.
        left = [max(count, 1) for count in records[start : start + workers]]
        shares += [count / sum(left) for count in left]
    return shares
