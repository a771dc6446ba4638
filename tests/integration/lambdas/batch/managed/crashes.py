"""Kills a function at its calls of AWS services, before or after the call has had its effect."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from typing import Any, TypeVar

import pytest
from botocore.client import BaseClient

T = TypeVar("T")
_SERVICES = ("s3", "bedrock", "dynamodb", "events")
# Operations at which a function is killed, and their maximum number in one invocation.
_OPERATIONS = {
    None: 40,
    "PutObject": 8,
    "CreateModelInvocationJob": 2,
    "StopModelInvocationJob": 2,
    "TransactWriteItems": 3,
}


class Crash(BaseException):
    """Raised where the function stops. Not an Exception, so that the function does not handle it."""


class Crashes:
    """Kills the function in `survive` at random calls of one operation, or of any.

    Args:
        most: the maximum number of crashes.
    """

    def __init__(self, rng: random.Random, monkeypatch: pytest.MonkeyPatch, *, most: int) -> None:
        self._rng = rng
        self._left = most
        self._operation = rng.choice(tuple(_OPERATIONS))
        self._calls_left = 0
        self._is_running = self._is_dead = False
        self._lock = threading.Lock()
        self.count = 0
        call = BaseClient._make_api_call

        def call_or_crash(client: Any, operation: str, parameters: Any) -> Any:
            service = client.meta.service_model.service_name
            if service not in _SERVICES or (service == "s3" and "127.0.0.1" in client.meta.endpoint_url):
                return call(client, operation, parameters)  # FakeBedrock, or the library
            crashes, after = self._next(operation)
            if crashes and not after:
                raise Crash
            answer = call(client, operation, parameters)
            if crashes:
                raise Crash
            return answer

        monkeypatch.setattr(BaseClient, "_make_api_call", call_or_crash)

    def survive(self, work: Callable[[], T], *, tries: int = 100) -> T:
        """Run the work again and again, until it ends without a crash."""
        for _ in range(tries):
            try:
                return self.once(work)
            except Crash:
                continue
        raise AssertionError("the work does not end")

    def once(self, work: Callable[[], T]) -> T:
        """Run the work, which may crash."""
        self._calls_left = self._rng.randint(1, _OPERATIONS[self._operation])
        self._is_running, self._is_dead = True, False
        try:
            return work()
        finally:
            self._is_running = self._is_dead = False

    def _next(self, operation: str) -> tuple[bool, bool]:
        """Return whether the function crashes at this call, and whether the call has its effect."""
        with self._lock:
            if self._is_dead:
                return True, False
            if not (self._is_running and self._left > 0 and self._operation in (None, operation)):
                return False, False
            self._calls_left -= 1
            if self._calls_left:
                return False, False
            self._is_dead = True
            self._left -= 1
            self.count += 1
            return True, self._rng.random() < 0.5
