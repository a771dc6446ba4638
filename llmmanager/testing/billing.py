"""The tokens that FakeBedrock bills by model, region, access method and tier, including lost answers."""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass, field
from typing import Any

from .call_log import Call

_Key = tuple[str, str, str, str]


@dataclass(frozen=True, kw_only=True)
class TokenCount:
    """Tokens as Bedrock bills them. Counts can be added and subtracted.

    Attributes:
        input_tokens: input, without tokens that were read from or written to the cache.
        output_tokens: output.
        cache_read_tokens, cache_write_tokens: input that was read from the cache, and written to it.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        """The sum of all four counts."""
        return self.input_tokens + self.output_tokens + self.cache_read_tokens + self.cache_write_tokens

    @property
    def usage(self) -> dict[str, int]:
        """The counts with the names of Converse's `usage`."""
        return {
            "inputTokens": self.input_tokens,
            "outputTokens": self.output_tokens,
            "totalTokens": self.total_tokens,
            "cacheReadInputTokens": self.cache_read_tokens,
            "cacheWriteInputTokens": self.cache_write_tokens,
        }

    def __add__(self, other: TokenCount) -> TokenCount:
        return self._combined(other, 1)

    def __sub__(self, other: TokenCount) -> TokenCount:
        return self._combined(other, -1)

    def _combined(self, other: TokenCount, sign: int) -> TokenCount:
        return TokenCount(
            input_tokens=self.input_tokens + sign * other.input_tokens,
            output_tokens=self.output_tokens + sign * other.output_tokens,
            cache_read_tokens=self.cache_read_tokens + sign * other.cache_read_tokens,
            cache_write_tokens=self.cache_write_tokens + sign * other.cache_write_tokens,
        )


@dataclass(frozen=True, kw_only=True)
class ModelUsage:
    """Usage of one model in one region through one access method, in one service tier.

    Attributes:
        model_id, region, access_method: what was called.
        service_tier: "default", "flex", "priority" or "reserved"; "batch" for records of batch jobs.
        answers: number of generated answers.
        lost_answers: number of these that did not reach the caller completely.
        billed, lost: the tokens of all answers, and of the lost ones.
        reserved_tokens: quota tokens that calls reserved when they started.
        settled_tokens: quota tokens that calls had used when they ended. Output tokens count times the
            model's burndown rate, and cache reads do not count.
    """

    model_id: str
    region: str
    access_method: str
    service_tier: str = "default"
    answers: int = 0
    lost_answers: int = 0
    billed: TokenCount = field(default_factory=TokenCount)
    lost: TokenCount = field(default_factory=TokenCount)
    reserved_tokens: int = 0
    settled_tokens: int = 0

    @property
    def delivered(self) -> TokenCount:
        """The tokens of the answers that reached the caller completely."""
        return self.billed - self.lost

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON, with token counts under the names of Converse's `usage`."""
        counts = {name: getattr(self, name).usage for name in ("billed", "lost", "delivered")}
        return {**asdict(self), **counts}


class Bill:
    """The tokens billed for one answer."""

    def __init__(self, ledger: UsageLedger, key: _Key, tokens: TokenCount) -> None:
        self._ledger, self._key = ledger, key
        self.tokens = tokens
        self.lost = False

    def lose(self) -> None:
        """Mark the answer as not completely delivered. Later calls have no effect."""
        self._ledger._lose(self)


class UsageLedger:
    """Totals of billed tokens and quota tokens. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rows: dict[_Key, dict[str, Any]] = {}

    def reserve(self, call: Call, tokens: int) -> None:
        """Count quota tokens that `call` reserved when it started."""
        self._add(_key(call), reserved_tokens=tokens)

    def settle(self, call: Call, tokens: int) -> None:
        """Count quota tokens that `call` used when it ended."""
        self._add(_key(call), settled_tokens=tokens)

    def bill(self, call: Call, tokens: TokenCount) -> Bill:
        """Bill an answer to `call`. It counts as delivered until `lose()` is called."""
        self._add(_key(call), answers=1, billed=tokens)
        return Bill(self, _key(call), tokens)

    def rows(self) -> tuple[ModelUsage, ...]:
        """Return the totals, sorted by model, region, access method and tier."""
        with self._lock:
            return tuple(
                ModelUsage(model_id=model_id, region=region, access_method=access, service_tier=tier, **row)
                for (model_id, region, access, tier), row in sorted(self._rows.items())
            )

    def clear(self) -> None:
        """Remove all totals."""
        with self._lock:
            self._rows.clear()

    def _lose(self, bill: Bill) -> None:
        with self._lock:
            if bill.lost:
                return
            bill.lost = True
        self._add(bill._key, lost_answers=1, lost=bill.tokens)

    def _add(self, key: _Key, **amounts: Any) -> None:
        with self._lock:
            row = self._rows.setdefault(key, {})
            for name, amount in amounts.items():
                row[name] = row[name] + amount if name in row else amount


def _key(call: Call) -> _Key:
    return call.model_id, call.region, call.access_method, call.service_tier or "default"
