"""Remember for some seconds that a service cannot be reached, so that not every call waits for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from http import HTTPStatus
from typing import Final

from botocore.exceptions import ClientError, ConnectionError, HTTPClientError

_OUTAGE_SECONDS: Final = 5.0


class KnownOutage(Exception):
    """The service could not be reached a moment ago, so it was not called."""


class Outage:
    """Whether a service cannot be reached: a circuit breaker for a process. Thread-safe.

    After a call that did not reach the service, no call is sent for some seconds. Then one call is sent. The
    others are not sent until it has ended.
    """

    def __init__(self) -> None:
        """Return a service that can be reached."""
        self._lock = threading.Lock()
        # When the next call may be sent; 0 while the service can be reached.
        self._until = 0.0

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Run a call of the service in the block, and note whether it was reached.

        Raises:
            KnownOutage: the service could not be reached a moment ago. The block has not run.
        """
        with self._lock:
            if time.monotonic() < self._until:
                raise KnownOutage("it could not be reached a moment ago")
            if self._until:
                self._begin()
        try:
            yield
        except Exception as error:
            with self._lock:
                if _is_unreachable(error):
                    self._begin()
                else:
                    self._until = 0.0
            raise
        with self._lock:
            self._until = 0.0

    def _begin(self) -> None:
        self._until = time.monotonic() + _OUTAGE_SECONDS


@cache
def usage_table_outage() -> Outage:
    """Return whether the deployment's usage table, which also has the budgets, cannot be reached."""
    return Outage()


def _is_unreachable(error: BaseException | None) -> bool:
    """Whether an error, or the error that it was raised from, is that of a service without an answer."""
    if isinstance(error, ClientError):
        status: int = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return status >= HTTPStatus.INTERNAL_SERVER_ERROR
    if isinstance(error, ConnectionError | HTTPClientError):
        return True
    return error is not None and _is_unreachable(error.__cause__)
