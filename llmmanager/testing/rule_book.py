"""The active rules of a FakeBedrock. Thread-safe."""

from __future__ import annotations

import random
import threading
from collections.abc import Collection
from dataclasses import dataclass

from .call_log import Call
from .errors import ServiceError
from .rules import Fault, Latency, Scope


@dataclass(frozen=True)
class DrawnLatency:
    """The latency of one call in seconds."""

    seconds: float = 0.0
    first_token: float = 0.0
    per_chunk: float = 0.0


@dataclass
class _FaultState:
    fault: Fault
    seen: int = 0
    fired: int = 0


class RuleBook:
    """Faults, latencies, denied models, enabled regions and rejected credentials."""

    def __init__(self, *, seed: int) -> None:
        self._seed = seed
        self._lock = threading.Lock()
        self._faults: dict[int, _FaultState] = {}
        self._next_handle = 1
        self._latencies: list[Latency] = []
        self._denials: list[Scope] = []
        self._closed_regions: set[str] = set()
        self._enabled_regions: frozenset[str] | None = None
        self._bad_credentials: dict[str, ServiceError] = {}
        self._draws = 0

    def add_fault(self, fault: Fault) -> int:
        """Add `fault` and return its handle."""
        if not isinstance(fault, Fault):
            raise TypeError(f"a fault must be a Fault, not {fault!r}")
        with self._lock:
            handle, self._next_handle = self._next_handle, self._next_handle + 1
            self._faults[handle] = _FaultState(fault)
            return handle

    def remove_fault(self, handle: int) -> None:
        """Remove a fault. Raise KeyError for an unknown handle."""
        with self._lock:
            del self._faults[handle]

    def clear_faults(self) -> None:
        """Remove every fault."""
        with self._lock:
            self._faults.clear()

    def faults(self) -> dict[int, Fault]:
        """Return the active faults by handle."""
        with self._lock:
            return {handle: state.fault for handle, state in self._faults.items()}

    def fault_for(self, call: Call) -> Fault | None:
        """Return the first fault that applies to `call`, and count it."""
        with self._lock:
            for handle, state in self._faults.items():
                fault = state.fault
                spent = fault.count is not None and state.fired >= fault.count
                if spent or not fault.covers(call):
                    continue
                state.seen += 1
                if random.Random(f"{self._seed}:{handle}:{state.seen}").random() < fault.share:
                    state.fired += 1
                    return fault
        return None

    def add_latency(self, latency: Latency) -> None:
        """Add a latency. The last matching one applies to a call."""
        with self._lock:
            self._latencies.append(latency)

    def latency_for(self, call: Call) -> DrawnLatency:
        """Return the latency of `call`."""
        with self._lock:
            for latency in reversed(self._latencies):
                if latency.covers(call):
                    self._draws += 1
                    rng = random.Random(f"{self._seed}:latency:{self._draws}")
                    seconds = _draw(rng, latency.seconds)
                    first = seconds if latency.first_token is None else _draw(rng, latency.first_token)
                    return DrawnLatency(seconds, first, _draw(rng, latency.per_chunk))
        return DrawnLatency()

    def deny(self, scope: Scope) -> None:
        """Return AccessDeniedException for calls in `scope`."""
        with self._lock:
            self._denials.append(scope)

    def close_region(self, region: str) -> None:
        """Disable `region` for the account."""
        with self._lock:
            self._closed_regions.add(region)

    def enable_regions(self, regions: Collection[str]) -> None:
        """Disable all other regions for the account."""
        with self._lock:
            self._enabled_regions = frozenset(regions)
            self._closed_regions -= self._enabled_regions

    def reject_credentials(self, key: str, error: ServiceError) -> None:
        """Return `error` to callers with the access key id or Bedrock API key `key`."""
        with self._lock:
            self._bad_credentials[key] = error

    def check_caller(self, call: Call) -> None:
        """Raise ServiceError if the caller's credentials are rejected or the region is disabled."""
        with self._lock:
            if call.access_key_id in self._bad_credentials:
                error = self._bad_credentials[call.access_key_id]
                raise ServiceError(error.code, error.message)
            enabled = self._enabled_regions is None or call.region in self._enabled_regions
            if not enabled or call.region in self._closed_regions:
                # A disabled region does not recognize the account's credentials.
                raise ServiceError("UnrecognizedClientException")

    def check_access(self, call: Call) -> None:
        """Raise ServiceError if access to the model is denied."""
        with self._lock:
            if any(scope.covers(call) for scope in self._denials):
                raise ServiceError("AccessDeniedException")

    def clear(self) -> None:
        """Remove every rule."""
        with self._lock:
            self._faults.clear()
            self._latencies.clear()
            self._denials.clear()
            self._closed_regions.clear()
            self._enabled_regions = None
            self._bad_credentials.clear()
            self._draws = 0


def _draw(rng: random.Random, value: float | tuple[float, float]) -> float:
    return rng.uniform(*value) if isinstance(value, tuple | list) else value
