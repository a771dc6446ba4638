"""The attempt loop: calls the targets of one request until one answers or none is left."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar

from llmmanager.bedrock.catalog.catalog_entries import ModelAccess
from llmmanager.bedrock.exceptions.llm_manager_exceptions import (
    DeadlineExceededError,
    LLMManagerError,
)
from llmmanager.bedrock.invocation.attempt_usage import tokens_of_failure
from llmmanager.bedrock.invocation.call_record import CallRecord
from llmmanager.bedrock.invocation.call_targets import CallTargets
from llmmanager.bedrock.invocation.decision_log import DecisionLog
from llmmanager.bedrock.invocation.feature_fallback import FeatureFallback
from llmmanager.bedrock.invocation.feature_table import FeatureClass
from llmmanager.bedrock.invocation.manager_resources import ManagerResources
from llmmanager.bedrock.invocation.quota_cost import latency_seconds, settled_tokens
from llmmanager.bedrock.models.bedrock_response import BedrockResponse
from llmmanager.bedrock.models.deadline import Cancellation, Deadline
from llmmanager.bedrock.routing.classification import classify
from llmmanager.bedrock.routing.decision import CREDENTIALS_KINDS, Decision, Kind, Next
from llmmanager.bedrock.routing.quota_gate import Permit
from llmmanager.bedrock.routing.quota_pacing import ONE_CALL, CallPacing, QuotaPatience
from llmmanager.bedrock.routing.route import Route, Step
from llmmanager.bedrock.validation.request import ValidRequest

if TYPE_CHECKING:
    from llmmanager.bedrock.invocation.attempt_check import AttemptCheck

R = TypeVar("R")
Send = Callable[[Any, str, bytes, float], R]
"""Calls a target: (client, id to invoke, body, read timeout in seconds) -> what the target answered."""


@dataclass(frozen=True, slots=True)
class TargetAnswer(Generic[R]):
    """What a target answered: a Converse response, or a stream that has started."""

    target: ModelAccess
    content: R


class AttemptLoop(Generic[R]):
    """The attempts of one call.

    Args:
        send: calls a target.
        operation: "Converse" or "ConverseStream", the operation that `send` calls.
        regions: some of the manager's regions, in this order; None for all.
        cancelled: ends the call before its next attempt or wait when another thread sets it. A
            `Cancellation` also ends the current wait, and the attempt if it is interrupted.
        patience: how the call waits for quota.
        check: called before each attempt, or None. What it raises ends the call.

    Raises:
        ConfigurationError: no model can be called in the regions.
        RequestValidationError: no model that can be called there accepts the request.
    """

    def __init__(
        self,
        resources: ManagerResources,
        request: ValidRequest,
        *,
        send: Send[R],
        operation: str,
        deadline: Deadline,
        regions: Sequence[str] | None = None,
        cancelled: threading.Event | None = None,
        patience: QuotaPatience = ONE_CALL,
        check: AttemptCheck | None = None,
    ) -> None:
        config = resources.retry_config
        self.record = CallRecord([*resources.targets.warnings, *request.warnings])
        self._resources = resources
        self._features = FeatureFallback(
            resources.features,
            request.fields,
            operation=operation,
            enabled=config.enable_feature_fallback,
            prompt_cache=request.prompt_cache,
        )
        self._send = send
        self._deadline = deadline
        self._cancelled = cancelled
        self._check = check
        self._targets = CallTargets(
            resources.targets, request, regions=regions, max_cost_multiple=config.max_cost_multiple
        )
        self._pacing = CallPacing(
            resources.quotas,
            self._features.reserved_tokens,
            self._features.call_form,
            longest_wait=resources.timeout if deadline.at == math.inf else math.inf,
            patience=patience,
        )
        self._permit: Permit | None = None
        self._route = Route(
            self._targets.groups(),
            config,
            resources.cooldowns,
            deadline,
            content_left_out=self._features.content_left_out,
            pacing=self._pacing,
        )
        self._credentials_renewed = False
        self._rejecting_regions: set[str] = set()
        self._set_aside: set[str] = set()
        self._log = DecisionLog()

    def answer(self) -> TargetAnswer[R]:
        """Call targets until one answers.

        Raises:
            RetryExhaustedError, DeadlineExceededError: no target answered.
            AuthenticationError, RequestValidationError, ConfigurationError: no target can answer.
        """
        while (step := self._route.next()) is not None:
            if not self.wait(step.delay):
                break
            answer = self._attempt(step)
            if answer is not None:
                return answer
        raise self._no_answer()

    def reject_answer(self, error: Exception, *, final: bool) -> None:
        """Record that the last answer is invalid.

        Args:
            error: the reason.
            final: whether the call ends with this answer.
        """
        decision = Decision(Next.GIVE_UP if final else Next.SAME_TARGET, Kind.INVALID_ANSWER)
        self.record.change_last_to_failure(error, decision, next_=decision.next)
        self._log.answer_rejected(decision)

    def stream_interrupted(self, target: ModelAccess, error: Exception) -> Next:
        """Record that the stream of a target was interrupted. Return where the call can continue.

        Raises:
            Exception: `error` itself, if neither AWS, the transport nor the deadline caused it.
        """
        if isinstance(error, DeadlineExceededError):
            decision = Decision(Next.GIVE_UP, Kind.TIMEOUT)
        else:
            decision = self._decision(target, error)
        next_ = decision.next
        if next_ in (Next.DROP_FEATURE, Next.OTHER_ACCESS_METHOD):
            next_ = Next.OTHER_REGION
        self.record.change_last_to_failure(error, decision, next_=next_, ended_now=True)
        start = self.record.attempts[-1].start_time
        self._log.attempt_failed(target, start, error=error, decision=replace(decision, next=next_))
        if next_ is not Next.GIVE_UP:
            self._route.record_failure(target, decision, next_)
        return next_

    def continue_with(
        self, request: Mapping[str, Any], *, supported_by: Callable[[ModelAccess], bool]
    ) -> None:
        """Send another request from now on, and only to targets that support it."""
        self.change_request(request)
        self._route.keep_only(supported_by)

    def change_request(self, request: Mapping[str, Any]) -> None:
        """Send another request from now on."""
        self._features.replace_request(request)

    def wait(self, seconds: float) -> bool:
        """Sleep. Return False if the call was cancelled or the wait would pass its deadline."""
        if self.is_cancelled or seconds >= self._deadline.remaining():
            return False
        if seconds <= 0:
            return True
        if self._cancelled is not None:
            return not self._cancelled.wait(seconds)
        time.sleep(seconds)
        return True

    @property
    def is_cancelled(self) -> bool:
        """Whether another thread has ended the call."""
        return self._cancelled is not None and self._cancelled.is_set()

    def was_stopped_by(self, error: Exception) -> bool:
        """Whether the check before an attempt raised the error."""
        return self._check is not None and self._check.error is error

    @property
    def is_interrupted(self) -> bool:
        """Whether another thread has ended the call and closed its connection."""
        return isinstance(self._cancelled, Cancellation) and self._cancelled.is_interrupted

    def response(self, target: ModelAccess, data: dict[str, Any] | None, *, success: bool) -> BedrockResponse:
        """Return the current response of the call, with what the target answered so far."""
        return self.record.response(
            target,
            data,
            success=success,
            features_dropped=self._features.left_out(target.model_id),
            warnings=self._features.warnings(target.model_id, data),
        )

    def add_usage(self, target: ModelAccess, metadata: Mapping[str, Any]) -> None:
        """Record the tokens of a stream, which are known at its end."""
        self.record.add_usage(target, metadata)
        tokens = settled_tokens(metadata, target.model_id)
        if self._permit is not None and tokens is not None:
            self._permit.settle(tokens)

    def count(self) -> None:
        """Add the call to the manager's statistics. Called once, when the call has ended."""
        self.record.add_to(self._resources.stats)

    def _attempt(self, step: Step[ModelAccess]) -> TargetAnswer[R] | None:
        """Return the answer of a target. None if it failed or is called later."""
        target = step.target
        start = datetime.now(UTC)
        remaining = self._deadline.remaining()
        try:
            client = self._resources.clients.client("bedrock-runtime", target.region, remaining=remaining)
            body = self._features.body(target.model_id)
        except LLMManagerError as error:
            self.record.add_response_to(error)
            raise
        except Exception as error:
            self._failed(target, error, self._decision(target, error), start)
            return None
        with self._resources.cooldowns.turn(
            target,
            has_other=self._route.can_postpone(target),
            time_left=self._deadline.remaining(),
            form=self._features.call_form(target),
            cancelled=self._cancelled,
        ) as turn:
            if not turn.may_call:
                self._route.postpone(target)
                return None
            permit = self._pacing.enter(
                target,
                wait=step.quota_wait,
                seconds=self._deadline.remaining(),
                cancelled=self._cancelled,
            )
            if permit is None:
                return None
            self._log_next(step)
            with permit:
                return self._call(target, client, body, permit=permit)

    def _call(
        self, target: ModelAccess, client: Any, body: bytes, *, permit: Permit
    ) -> TargetAnswer[R] | None:
        """Return the answer of a target, or None if it failed."""
        if self._check is not None and self._deadline.remaining() > 0:
            request = self._features.request(target.model_id)
            self._check.run(target, request, body=body, record=self.record, permit=permit)
        # Creating the client, waiting for quota and the check can take long.
        remaining = self._deadline.remaining()
        if self.is_cancelled or remaining <= 0:
            permit.rejected()
            late = "the deadline passed before the target could be called"
            raise self._no_answer(None if self.is_cancelled else late)
        start = datetime.now(UTC)
        try:
            content = self._send(
                client, target.invoke_id, body, max(min(self._resources.timeout, remaining), 0.001)
            )
        except Exception as error:
            if self.is_interrupted:
                permit.rejected()
                raise self._interrupted(target, error, start) from error
            decision = self._decision(target, error)
            if decision.quota is not None:
                permit.throttled(decision.quota, retry_after=decision.retry_after)
            elif tokens_of_failure(error, decision) is not None:
                permit.rejected()
            self._failed(target, error, decision, start)
            return None
        answer = content if isinstance(content, Mapping) else None
        permit.answered(
            settled_tokens(answer, target.model_id) if answer else None, latency=latency_seconds(answer)
        )
        self._permit = permit
        self.record.add_success(target, start, answer=answer)
        self._log.attempt_succeeded(target, start)
        self._resources.cooldowns.attempt_succeeded(target, form=self._features.call_form(target))
        for region in self._rejecting_regions:
            self._resources.cooldowns.region_denied(region)
        self._features.answered(target.model_id)
        return TargetAnswer(target, content)

    def _log_next(self, step: Step[ModelAccess]) -> None:
        model_id = step.target.model_id
        self._log.next_attempt(step.target, step.delay)
        if model_id in self._set_aside:
            self._set_aside.remove(model_id)
            self._log.feature_dropped(step.target, self._features.left_out(model_id))

    def _decision(self, target: ModelAccess, error: Exception) -> Decision:
        """Return the decision for an error. Raise the error if neither AWS nor the transport caused it."""
        tier = self._features.call_form(target).tier
        decision = classify(error, self._resources.retry_config.retryable_errors, tier=tier)
        if decision is None:
            raise error
        return decision

    def _failed(self, target: ModelAccess, error: Exception, decision: Decision, start: datetime) -> None:
        next_ = self._next_after(target, decision)
        decided = replace(decision, next=next_)
        self.record.add_failure(target, start, error=error, decision=decided)
        self._log.attempt_failed(target, start, error=error, decision=decided)
        if next_ is Next.GIVE_UP:
            self._give_up(error, decision)
        if decision.kind in CREDENTIALS_KINDS and next_ is Next.OTHER_REGION:
            self._rejecting_regions.add(target.region)
        self._route.record_failure(target, decision, next_)

    def _interrupted(self, target: ModelAccess, error: Exception, start: datetime) -> LLMManagerError:
        """Record an attempt whose connection was closed. Return the error that ends the call."""
        decision = Decision(Next.GIVE_UP, Kind.CANCELLED)
        self.record.add_failure(target, start, error=error, decision=decision)
        self._log.attempt_failed(target, start, error=error, decision=decision)
        return self._no_answer()

    def _next_after(self, target: ModelAccess, decision: Decision) -> Next:
        """Return where the call goes next. Removes features, adds targets and renews credentials."""
        if decision.next is Next.DROP_FEATURE:
            return self._after_rejected_feature(target, decision)
        if decision.next is Next.OTHER_ACCESS_METHOD:
            if decision.kind is Kind.ACCESS_METHOD:
                others = self._targets.access_method_rejected(target, self._deadline.remaining())
                self._route.add_targets(target, others)
            return decision.next if self._route.has_other_access_method(target) else decision.otherwise
        if decision.kind is Kind.MODEL and self._route.is_last(target):
            return self._after_unknown_model(target, decision.next)
        if decision.kind is Kind.EXPIRED_CREDENTIALS and not self._credentials_renewed:
            self._credentials_renewed = True
            self._resources.clients.renew()
            return Next.SAME_TARGET_NOW
        if decision.kind is Kind.REQUEST and self._features.restore(target.model_id):
            # The request may be invalid because a feature was removed after an earlier call.
            return Next.SAME_TARGET_NOW
        return decision.next

    def _after_rejected_feature(self, target: ModelAccess, decision: Decision) -> Next:
        """Remove the rejected feature. Return where the call goes next."""
        removed = self._features.feature_rejected(target.model_id, decision.features)
        if removed is None:
            return decision.otherwise
        if removed is FeatureClass.CONTENT and self._route.has_more_complete(target):
            self._set_aside.add(target.model_id)
            return Next.OTHER_MODEL_FIRST
        self._log.feature_dropped(target, self._features.left_out(target.model_id))
        return Next.DROP_FEATURE

    def _after_unknown_model(self, target: ModelAccess, next_: Next) -> Next:
        """Refresh the catalog, since the last target does not exist. Return where the call goes next.

        An access denial does not refresh it: Bedrock lists the same models for every account.
        """
        self._route.add_groups(self._targets.refresh(self._deadline.remaining()))
        return Next.OTHER_ACCESS_METHOD if self._route.has_other_access_method(target) else next_

    def _give_up(self, error: Exception, decision: Decision) -> NoReturn:
        auth_type = self._resources.clients.auth_type
        final = self.record.final_error(error, decision, auth_type=auth_type)
        if final is not None:
            raise final from error
        raise self._no_answer(f"no target would accept the request: {error}")

    def _no_answer(self, reason: str | None = None) -> LLMManagerError:
        """Return the error of a call without an answer."""
        reason = reason or ("cancelled" if self.is_cancelled else self._route.ended_by)
        out_of_time = self._deadline.remaining() <= 0 or self._route.out_of_time
        oversize = self._pacing.oversize
        if self._route.is_oversized and oversize is not None and not self.record.attempts:
            # Imported here, since it is needed for this error only.
            from llmmanager.bedrock.invocation.oversized_request import oversized_request

            return oversized_request(oversize, self._features.request(oversize.target.model_id))
        if not out_of_time and not self.is_cancelled:
            rejected = self.record.credentials_error(auth_type=self._resources.clients.auth_type)
            if rejected is not None:
                return rejected
        return self.record.exhausted(
            reason,
            out_of_time=out_of_time and not self.is_cancelled,
            quota_wait=None if self.is_cancelled else self._route.quota_wait,
            left_out=self._targets.too_expensive,
        )
