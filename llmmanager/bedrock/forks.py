"""Resets state that a forked process cannot use: connections, threads and locks of its parent."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

T = TypeVar("T")

_owners: WeakKeyDictionary[Any, Callable[[Any], None]] = WeakKeyDictionary()


def after_fork(owner: T, reset: Callable[[T], None]) -> None:
    """Call `reset(owner)` in every process forked from this one while the owner exists.

    Args:
        owner: the object with the state. Only a weak reference to it is stored.
        reset: an unbound method or a function. A bound method would keep the owner alive.
    """
    _owners[owner] = reset


def new_lock(owner: Any) -> None:
    """Replace the lock in the owner's attribute `_lock`."""
    owner._lock = threading.Lock()


def _reset_all() -> None:
    for owner, reset in list(_owners.items()):
        reset(owner)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset_all)
