"""A set of ids in a fixed amount of memory, up to millions of ids."""

from __future__ import annotations

import hashlib
from mmap import mmap

_DIGEST_BYTES = 8
# 32 MB: half full with two million ids.
_FIRST_SLOTS = 1 << 22


class IdSet:
    """A set of ids without removal.

    It stores a 64-bit digest of each id in hash tables of fixed size: 32 MB for two million ids. When a table
    is half full, another one of twice its size is added. The probability that two of a million different ids
    have the same digest is 3 in 100 million.
    """

    def __init__(self, *, first_slots: int = _FIRST_SLOTS) -> None:
        self._tables = [_table(first_slots)]
        self._room = first_slots // 2

    def add(self, id_: str) -> bool:
        """Add an id, and return whether it is new."""
        digest = _digest(id_)
        for table in self._tables:
            last = len(table) - 1
            slot = digest & last
            while stored := table[slot]:
                if stored == digest:
                    return False
                slot = (slot + 1) & last
        table[slot] = digest
        self._room -= 1
        if not self._room:
            self._tables.append(_table(2 * len(table)))
            self._room = len(table)
        return True


def _table(slots: int) -> memoryview:
    # Pages of zeros take no memory until they are written to, so a set of few ids is small.
    return memoryview(mmap(-1, _DIGEST_BYTES * slots)).cast("Q")


def _digest(id_: str) -> int:
    """Return the digest of an id. It is never 0, which means an empty slot."""
    text = id_.encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(text, digest_size=_DIGEST_BYTES).digest(), "little") or 1
