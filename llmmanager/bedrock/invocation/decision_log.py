"""Logs each decision of a call: target, error code and next step.

Messages, answers and error texts are not logged: AWS quotes parts of the request in its errors.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime

from llmmanager.bedrock.catalog.catalog_entries import ModelAccess
from llmmanager.bedrock.exceptions.aws_error_code import aws_error_code
from llmmanager.bedrock.routing.decision import Decision, Next

_log = logging.getLogger("llmmanager.calls")


class DecisionLog:
    """Logs the decisions of one call.

    Failovers and dropped features are logged at level INFO, attempts and retries at level DEBUG.
    """

    def __init__(self) -> None:
        self._failed: tuple[ModelAccess, str] | None = None
        self._answered: ModelAccess | None = None

    def next_attempt(self, target: ModelAccess, delay: float) -> None:
        """Log the next target and the delay in seconds before its call."""
        if self._failed is None:
            return
        before, error = self._failed
        if target != before:
            _log.info("failover from %s to %s after %s", _named(before), _named(target), error)
        else:
            _log.debug("retry of %s in %.3f s after %s", _named(target), delay, error)
        self._failed = None

    def feature_dropped(self, target: ModelAccess, features: tuple[str, ...]) -> None:
        """Log that the target is called again without unsupported features.

        Without any, the schema of the answer is sent in another form.
        """
        change = f"without {', '.join(features)}" if features else "with the answer's schema in another form"
        _log.info("%s is called again %s", _named(target), change)

    def attempt_failed(
        self, target: ModelAccess, start: datetime, *, error: Exception, decision: Decision
    ) -> None:
        """Log a failed attempt and the next step."""
        code = aws_error_code(error) or type(error).__name__
        _log.debug(
            "attempt at %s failed after %.3f s: %s (%s), next: %s",
            _named(target),
            (datetime.now(UTC) - start).total_seconds(),
            code,
            decision.kind.value,
            decision.next.value,
        )
        self._failed = None if decision.next is Next.DROP_FEATURE else (target, code)

    def attempt_succeeded(self, target: ModelAccess, start: datetime) -> None:
        """Log a successful attempt."""
        if _log.isEnabledFor(logging.DEBUG):
            seconds = (datetime.now(UTC) - start).total_seconds()
            _log.debug("attempt at %s answered after %.3f s", _named(target), seconds)
        self._answered = target

    def answer_rejected(self, decision: Decision) -> None:
        """Log that the response validation rejected the last answer."""
        if self._answered is not None:
            _log.debug("answer of %s is invalid, next: %s", _named(self._answered), decision.next.value)
            self._failed = (self._answered, "an invalid answer")


def _named(target: ModelAccess) -> str:
    method = f" ({target.access_method})" if target.access_method is not None else ""
    return f"{target.model_id} in {target.region}{method}"
