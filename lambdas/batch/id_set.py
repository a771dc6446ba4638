"""Which ids were seen, in memory that does not grow with them up to millions."""

from __future__ import annotations

import hashlib
from mmap import mmap

_DIGEST_BYTES = 8
# 32 MB: half full with two million ids.
_FIRST_SLOTS = 1 << 22


class IdSet:
    """A set of ids that can only be added to.

    It holds a digest of 64 bits for each id in tables of fixed size: 32 MB serve two million ids. A table
    that is half full is followed by one of twice its size. Among a million different ids, two are taken for
    the same with a probability of 3 in 100 million.
    """

    def __init__(self, *, first_slots: int = _FIRST_SLOTS) -> None:
        self._tables = [_table(first_slots)]
        self._room = first_slots // 2

    def add(self, id_: str) -> bool:
        """Whether the id is new; it is in the set from now on."""
        digest = _digest(id_)
        for table in self._tables:
            last = len(table) - 1
            slot = digest & last
            while held := table[slot]:
                if held == digest:
                    return False
                slot = (slot + 1) & last
        table[slot] = digest
        self._room -= 1
        if not self._room:
            self._tables.append(_table(2 * len(table)))
            self._room = len(table)
        return True


def _table(slots: int) -> memoryview:
    # Zeros that take no memory until they are written to, and that few ids leave for the most part alone.
    return memoryview(mmap(-1, _DIGEST_BYTES * slots)).cast("Q")


def _digest(id_: str) -> int:
    """Never 0, which stands for an empty slot."""
    text = id_.encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(text, digest_size=_DIGEST_BYTES).digest(), "little") or 1
