"""Token and request quotas like those of Bedrock: reserved when a call starts, settled when it ends."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from .call_log import Call
from .errors import ServiceError
from .rules import Quota

_MINUTES_A_DAY = 24 * 60


@dataclass(slots=True)
class _Charge:
    """The tokens of one call. They do not count if no quota was set when the call started."""

    at: float
    tokens: int
    in_window: bool = False
    day_began: float | None = None


@dataclass(slots=True)
class _Account:
    """The usage of one model, region and access method."""

    day_began: float
    minute: deque[_Charge] = field(default_factory=deque)
    minute_tokens: int = 0
    day_tokens: int = 0


class Reservation:
    """The reservation of an admitted call."""

    def __init__(self, ledger: QuotaLedger, account: _Account, charge: _Charge) -> None:
        self._ledger, self._account, self._charge = ledger, account, charge

    def settle(self, tokens: int) -> None:
        """Replace the reserved tokens with the used tokens."""
        self._ledger._settle(self._account, self._charge, tokens)


class QuotaLedger:
    """Admits calls within the quotas. `window_seconds` is the length of the quota window."""

    def __init__(self, *, window_seconds: float, clock: Callable[[], float]) -> None:
        self.window_seconds = window_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._quotas: list[Quota] = []
        self._accounts: dict[tuple[str, str, str], _Account] = {}

    def add(self, quota: Quota) -> None:
        """Set limits. The last matching quota applies to a call."""
        with self._lock:
            self._quotas.append(quota)

    def quotas(self) -> tuple[Quota, ...]:
        """Return the quotas in the order in which they were set."""
        with self._lock:
            return tuple(self._quotas)

    def clear(self) -> None:
        """Remove all quotas and counts."""
        with self._lock:
            self._quotas.clear()
            self._accounts.clear()

    def admit(self, call: Call, tokens: int) -> Reservation:
        """Reserve `tokens` for `call`. Raise ServiceError (ThrottlingException) if a quota is exceeded."""
        with self._lock:
            charge, key = _Charge(self._clock(), tokens), (call.model_id, call.region, call.access_method)
            account = self._accounts.setdefault(key, _Account(charge.at))
            self._expire(account)
            self._check("tokens_per_day", call, account.day_tokens + tokens, "Too many tokens per day")
            self._check("requests_per_minute", call, len(account.minute) + 1, "Too many requests")
            self._check("tokens_per_minute", call, account.minute_tokens + tokens, "Too many tokens")
            if self._quotas:
                charge.in_window, charge.day_began = True, account.day_began
                account.minute.append(charge)
                account.minute_tokens += tokens
                account.day_tokens += tokens
            return Reservation(self, account, charge)

    def limit(self, name: str, call: Call) -> int | None:
        """Return the limit with this name (a field of Quota) for a call, or None."""
        for quota in reversed(self._quotas):
            limit: int | None = getattr(quota, name)
            if limit is not None and quota.covers(call):
                return limit
        return None

    def _check(self, name: str, call: Call, total: int, message: str) -> None:
        limit = self.limit(name, call)
        if limit is not None and total > limit:
            raise ServiceError("ThrottlingException", f"{message}, please wait before trying again.")

    def _expire(self, account: _Account) -> None:
        now = self._clock()
        while account.minute and account.minute[0].at <= now - self.window_seconds:
            charge = account.minute.popleft()
            charge.in_window = False
            account.minute_tokens -= charge.tokens
        if now - account.day_began >= self.window_seconds * _MINUTES_A_DAY:
            account.day_began, account.day_tokens = now, 0

    def _settle(self, account: _Account, charge: _Charge, tokens: int) -> None:
        with self._lock:
            self._expire(account)
            if charge.in_window:
                account.minute_tokens += tokens - charge.tokens
            if charge.day_began == account.day_began:
                account.day_tokens += tokens - charge.tokens
            charge.tokens = tokens
