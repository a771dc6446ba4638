"""The permission of a quota gate to send one call."""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING

from llmmanager.bedrock.routing.decision import QuotaUnit
from llmmanager.bedrock.routing.quota_meter import Charge
from llmmanager.bedrock.routing.throttle_check import CheckedCall

if TYPE_CHECKING:
    from llmmanager.bedrock.routing.quota_gate import QuotaGate


@dataclass(slots=True)
class Permit:
    """Permission to send one call. A context manager for the call.

    The caller reports the outcome with one of the methods. Without an outcome, the reserved tokens count as
    used.
    """

    gate: QuotaGate
    charge: Charge
    issued: float
    used: dict[QuotaUnit, int]
    beyond: set[QuotaUnit]
    checked: CheckedCall
    reserve: float = 0.0
    ended: bool = False
    admitted_before: float = float("-inf")

    def __enter__(self) -> Permit:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self.ended:
            self.gate._outcome_unknown(self)

    def answered(self, tokens: int | None, *, latency: float | None = None) -> None:
        """Report that the call was admitted.

        Args:
            tokens: tokens of quota that it used; None if unknown, as at the start of a stream.
            latency: seconds until the answer, measured by Bedrock; None if unknown.
        """
        self.gate._answered(self, tokens, latency)

    def settle(self, tokens: int) -> None:
        """Report the tokens that a stream used, at its end."""
        self.gate._settle(self, tokens)

    def throttled(self, unit: QuotaUnit, *, retry_after: float | None = None) -> None:
        """Report that the call was throttled by the quota of this unit."""
        self.gate._throttled(self, unit, retry_after)

    def rejected(self) -> None:
        """Report that the call failed for another reason, without using quota."""
        self.gate._rejected(self)
