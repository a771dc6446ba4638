"""The record of one call: its attempts and decisions, and the response or error built from them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from llmmanager.bedrock.catalog.catalog_entries import ModelAccess
from llmmanager.bedrock.exceptions.llm_manager_exceptions import (
    AuthenticationError,
    ConfigurationError,
    DeadlineExceededError,
    LLMManagerError,
    QuotaExceededError,
    RequestValidationError,
    RetryExhaustedError,
)
from llmmanager.bedrock.invocation.attempt_usage import tokens_of_failure, usage_and_price
from llmmanager.bedrock.invocation.stats import CallStats
from llmmanager.bedrock.models.bedrock_response import BedrockResponse
from llmmanager.bedrock.models.request_attempt import RequestAttempt
from llmmanager.bedrock.routing.decision import CREDENTIALS_KINDS, Decision, Kind, Next


class CallRecord:
    """The attempts of one call so far.

    Attributes:
        attempts: every call of a target, in order.
        warnings: the warnings of the response.
        validation_errors: one dict for each invalid answer.
    """

    def __init__(self, warnings: Iterable[str] = ()) -> None:
        self.attempts: list[RequestAttempt] = []
        self.warnings = list(warnings)
        self.validation_errors: list[dict[str, Any]] = []
        self._decisions: list[Decision | None] = []
        self._started = time.monotonic()

    def add_success(self, target: ModelAccess, start: datetime, *, answer: Mapping[str, Any] | None) -> None:
        """Add an attempt that the target answered.

        Args:
            answer: the Converse response; None for a stream, whose token counts follow at its end.
        """
        usage, price = usage_and_price(target, answer) if answer is not None else (None, None)
        self._add(target, start, usage=usage, price=price)

    def add_failure(
        self, target: ModelAccess, start: datetime, *, error: Exception, decision: Decision
    ) -> None:
        """Add a failed attempt and the decision after it."""
        usage = tokens_of_failure(error, decision)
        price = None if usage is None else 0.0
        self._add(target, start, error=error, decision=decision, usage=usage, price=price)

    def add_usage(self, target: ModelAccess, answer: Mapping[str, Any]) -> None:
        """Add tokens and price to the last attempt.

        Args:
            answer: a stream's `metadata` event.
        """
        usage, price = usage_and_price(target, answer)
        self.attempts[-1] = replace(self.attempts[-1], usage=usage, estimated_cost_usd=price)

    def change_last_to_failure(
        self, error: Exception, decision: Decision, *, next_: Next, ended_now: bool = False
    ) -> None:
        """Change the last attempt from a success to a failure. Its tokens still count.

        Args:
            next_: where the call goes next.
            ended_now: whether the attempt ended now, later than recorded.
        """
        last = self.attempts[-1]
        self.attempts[-1] = replace(
            last,
            success=False,
            error=error,
            decision=next_.value,
            end_time=datetime.now(UTC) if ended_now else last.end_time,
        )
        self._decisions[-1] = decision

    def response(
        self,
        target: ModelAccess | None,
        data: dict[str, Any] | None,
        *,
        success: bool,
        features_dropped: Sequence[str] = (),
        warnings: Sequence[str] = (),
    ) -> BedrockResponse:
        """Return the current response of the call.

        Args:
            target: the target that answered, or None.
            data: its answer, or None.
            features_dropped: the features removed from its request.
            warnings: further warnings about this target.
        """
        model = target.model_id if target else None
        return BedrockResponse(
            success=success,
            response_data=data,
            model_used=model,
            region_used=target.region if target else None,
            access_method=_access_method(target) if target else None,
            inference_profile_id=target.inference_profile_id if target else None,
            attempts=list(self.attempts),
            total_duration_ms=(time.monotonic() - self._started) * 1000,
            warnings=[*self.warnings, *warnings],
            features_disabled=list(features_dropped),
            validation_errors=list(self.validation_errors),
        )

    def final_error(self, error: Exception, decision: Decision, *, auth_type: str) -> LLMManagerError | None:
        """Return the exception for an error that ends the call. None if other targets might have answered."""
        response = self.response(None, None, success=False)
        if decision.kind in CREDENTIALS_KINDS:
            region = self.attempts[-1].region
            return AuthenticationError(str(error), auth_type, region, response=response)
        if decision.kind is Kind.REQUEST:
            return RequestValidationError(
                f"Bedrock rejected the request: {error}", [str(error)], [], response=response
            )
        if decision.kind is Kind.CONFIGURATION:
            return ConfigurationError(str(error), {"region": self.attempts[-1].region}, response=response)
        return None

    def credentials_error(self, *, auth_type: str) -> AuthenticationError | None:
        """Return the exception if every attempt failed because of its credentials, else None.

        A region that the account has not enabled rejects valid credentials, so one region is not enough.
        """
        kinds = {decision.kind if decision else None for decision in self._decisions}
        if not kinds or not kinds <= CREDENTIALS_KINDS:
            return None
        regions = list(dict.fromkeys(attempt.region for attempt in self.attempts))
        last = self.attempts[-1].error
        failure = AuthenticationError(
            f"credentials rejected in every region tried ({', '.join(regions)}): {last}",
            auth_type,
            regions[0],
            response=self.response(None, None, success=False),
        )
        failure.__cause__ = last
        return failure

    def add_response_to(self, error: LLMManagerError) -> None:
        """Add the response with the attempts so far to an error that ends the call."""
        if self.attempts and error.response is None:
            error.response = self.response(None, None, success=False)

    def exhausted(
        self, reason: str, *, out_of_time: bool, quota_wait: float | None = None, left_out: str = ""
    ) -> RetryExhaustedError:
        """Return the exception for a call without an answer, with all attempts and the response.

        Args:
            reason: why no further attempt is made.
            out_of_time: whether the deadline is the reason.
            quota_wait: seconds until a quota admits the call, if quota is the reason.
            left_out: the models excluded by `max_cost_multiple` and the reasons.
        """
        errors = [attempt.error for attempt in self.attempts if attempt.error is not None]
        message = f"no answer after {len(self.attempts)} attempt(s): {reason}"
        if left_out:
            message += f"; left out by max_cost_multiple: {left_out}"
        if errors:
            message += f"; last error: {errors[-1]}"
        kind = DeadlineExceededError if out_of_time else RetryExhaustedError
        if quota_wait is not None:
            kind = QuotaExceededError
        failure = kind(message, last_errors=errors, attempts=self.attempts)
        if isinstance(failure, QuotaExceededError) and quota_wait is not None:
            failure.retry_after = quota_wait
        failure.left_out = left_out
        response = self.response(None, None, success=False)
        attempts_explain = errors and kind is RetryExhaustedError
        failure.response = response if attempts_explain else replace(response, error=failure)
        failure.__cause__ = errors[-1] if errors else None
        return failure

    def add_to(self, stats: CallStats) -> None:
        """Add the call to the manager's statistics. Called once, when the call has ended."""
        stats.count(self.attempts, self._decisions)

    def _add(
        self,
        target: ModelAccess,
        start: datetime,
        *,
        error: Exception | None = None,
        decision: Decision | None = None,
        usage: dict[str, int] | None,
        price: float | None,
    ) -> None:
        self._decisions.append(decision)
        self.attempts.append(
            RequestAttempt(
                model_id=target.model_id,
                region=target.region,
                access_method=_access_method(target),
                attempt_number=len(self.attempts) + 1,
                start_time=start,
                end_time=datetime.now(UTC),
                success=error is None,
                error=error,
                invoke_id=target.invoke_id,
                decision=decision.next.value if decision else None,
                usage=usage,
                estimated_cost_usd=price,
            )
        )


def _access_method(target: ModelAccess) -> str | None:
    return str(target.access_method) if target.access_method is not None else None
