"""The order in which the requests of a run start: the first one with a prompt prefix, then the others.

        request 1 ──► writes the prefix to the cache ──► answered
        request 2 ──── waits ───────────────────────────────┴──► reads the cache
        request 3 ──── waits ───────────────────────────────┴──► reads the cache
        request 4, with another prefix or none ──► starts at once

Bedrock makes a prefix available when the answer to the request that writes it begins. Requests that start
before that all pay for writing it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

from llmmanager.bedrock.models.bedrock_response import BedrockResponse
from llmmanager.bedrock.parallel.item_source import ItemSource

if TYPE_CHECKING:
    from llmmanager.bedrock.models.request_attempt import RequestAttempt
    from llmmanager.bedrock.parallel.warm_prefixes import WarmPrefixes
    from llmmanager.bedrock.tokens.cache_prefixes import CachedPrefix

# Longer than most models need until an answer begins. So a slow or throttled request does not delay others.
LONGEST_WAIT_SECONDS = 10.0


class WithPrefixes(Protocol):
    """A request of a run.

    Attributes:
        prefixes: the prefixes that the first model caches, shortest first.
    """

    @property
    def prefixes(self) -> Sequence[CachedPrefix]: ...


T = TypeVar("T", bound=WithPrefixes)


@dataclass
class _FirstRequest:
    """The request in progress for which others with its prefix wait, or None.

    Attributes:
        wait_until: when the others start in any case.
    """

    request: WithPrefixes | None
    wait_until: float


class StartOrder(ItemSource[T, BedrockResponse]):
    """The requests of a run. Those with the same prefix as a request in progress wait for its answer.

    If that request fails, the next one takes its place. A prefix delays requests for at most
    `LONGEST_WAIT_SECONDS` in total, until its cache expires.

    Args:
        requests: the requests in the order in which they start otherwise.
        warm: the prefixes that are in a cache.
        max_waiting: the number of requests that are read although they must wait.
        clock: seconds on a monotonic clock.

    Attributes:
        waiting: the requests that have been read and have not started.
    """

    def __init__(
        self,
        requests: Iterable[T],
        warm: WarmPrefixes,
        *,
        max_waiting: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(requests)
        self.waiting: list[T] = []
        self._warm = warm
        self._max_waiting = max_waiting
        self._clock = clock
        self._first: dict[bytes, _FirstRequest] = {}

    def take(self) -> T | None:
        """Return the next request that may start now, or None."""
        for index, request in enumerate(self.waiting):
            if not self._blocking(request):
                return self._started(self.waiting.pop(index))
        while len(self.waiting) < self._max_waiting:
            following = next(self._items, None)
            if following is None or not following.prefixes:
                return following
            if not self._blocking(following):
                return self._started(following)
            self.waiting.append(following)
        return None

    def ended(self, item: T, result: BedrockResponse) -> None:
        """Let the others start if the request has written its prefixes, or has read them."""
        if not item.prefixes:
            return
        answered = _last_answered(result)
        for prefix in item.prefixes:
            first = self._first.get(prefix.digest)
            if answered is not None:
                self._first.pop(prefix.digest, None)
                # If another model has answered, the others do not wait either: the first is not available.
                region = answered.region if answered.model_id == prefix.model_id else None
                self._warm.add(prefix, region, age=answered.duration_ms / 1000)
            elif first is not None and first.request is item:
                first.request = None

    def seconds_until_next(self) -> float | None:
        """Return the seconds until a request has waited long enough; None if none waits."""
        ends = [
            max((self._first[prefix.digest].wait_until for prefix in self._blocking(request)), default=0.0)
            for request in self.waiting
        ]
        return max(min(ends) - self._clock(), 0.0) if ends else None

    def _blocking(self, request: T) -> list[CachedPrefix]:
        """Return the prefixes of a request that another one is about to write."""
        now = self._clock()
        return [
            prefix
            for prefix in request.prefixes
            if (first := self._first.get(prefix.digest)) is not None
            and first.request is not None
            and first.wait_until > now
            and not self._warm.has(prefix)
        ]

    def _started(self, request: T) -> T:
        for prefix in request.prefixes:
            if self._warm.has(prefix):
                continue
            first = self._first.get(prefix.digest)
            if first is None:
                self._first[prefix.digest] = _FirstRequest(request, self._clock() + LONGEST_WAIT_SECONDS)
            elif first.request is None:
                first.request = request
        return request


def _last_answered(response: BedrockResponse) -> RequestAttempt | None:
    """Return the last attempt that a model answered, also if its answer is invalid."""
    for attempt in reversed(response.attempts):
        if attempt.success or any((attempt.usage or {}).values()):
            return attempt
    return None
