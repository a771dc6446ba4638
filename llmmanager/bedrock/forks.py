"""What a forked process must not take over: open connections, and locks that a thread of its parent holds."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

T = TypeVar("T")

_owners: WeakKeyDictionary[Any, Callable[[Any], None]] = WeakKeyDictionary()


def after_fork(owner: T, renew: Callable[[T], None]) -> None:
    """Have `renew(owner)` called in every process that is forked from this one while the owner exists.

    Args:
        renew: an unbound method or a function, so that it does not keep the owner alive.
    """
    _owners[owner] = renew


def new_lock(owner: Any) -> None:
    """Replace the lock in the owner's attribute `_lock`."""
    owner._lock = threading.Lock()


def _renew_all() -> None:
    for owner, renew in list(_owners.items()):
        renew(owner)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_all)
