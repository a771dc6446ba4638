"""The one loop: every attempt made for one call, until a target answers or none is left."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar

from llmmanager.bedrock.catalog.catalog_entries import ModelAccess
from llmmanager.bedrock.exceptions.llm_manager_exceptions import (
    DeadlineExceededError,
    LLMManagerError,
)
from llmmanager.bedrock.invocation.attempt_usage import tokens_of_failure
from llmmanager.bedrock.invocation.call_record import CallRecord
from llmmanager.bedrock.invocation.clients import ClientPool
from llmmanager.bedrock.invocation.decision_log import DecisionLog
from llmmanager.bedrock.invocation.feature_fallback import FeatureFallback
from llmmanager.bedrock.invocation.feature_memory import FeatureMemory
from llmmanager.bedrock.invocation.feature_table import FeatureClass
from llmmanager.bedrock.invocation.quota_cost import latency_seconds, reserved_tokens, settled_tokens
from llmmanager.bedrock.invocation.stats import CallStats
from llmmanager.bedrock.models.bedrock_response import BedrockResponse
from llmmanager.bedrock.models.deadline import Deadline
from llmmanager.bedrock.models.llm_manager_structures import RetryConfig
from llmmanager.bedrock.routing.classification import classify
from llmmanager.bedrock.routing.cooldown import Cooldowns
from llmmanager.bedrock.routing.decision import CREDENTIALS_KINDS, Decision, Kind, Next
from llmmanager.bedrock.routing.quota_gate import Permit
from llmmanager.bedrock.routing.quota_pacing import ONE_CALL, CallPacing, ManagerQuotas, QuotaPatience
from llmmanager.bedrock.routing.route import Route, Step

if TYPE_CHECKING:
    from llmmanager.bedrock.invocation.cost_limit import CostLimit

R = TypeVar("R")
Send = Callable[[Any, str, bytes, float], R]
"""(client, id to invoke, body, longest silence in seconds) -> what the target answered."""
AccessMethodRejected = Callable[[ModelAccess, float], Sequence[ModelAccess]]
"""Called when AWS rejects an access method, with the seconds left. Returns the access methods left."""
RefreshCatalog = Callable[[float], None]
"""The last target does not exist: refresh the catalog within the given seconds."""


@dataclass(frozen=True)
class ManagerResources:
    """What all calls of a manager share."""

    clients: ClientPool
    retry_config: RetryConfig
    timeout: float
    access_method_rejected: AccessMethodRejected
    refresh_catalog: RefreshCatalog
    features: FeatureMemory = field(default_factory=FeatureMemory)
    cooldowns: Cooldowns = field(default_factory=Cooldowns)
    quotas: ManagerQuotas = field(default_factory=ManagerQuotas)
    stats: CallStats = field(default_factory=CallStats)


class Run(Generic[R]):
    """One call: its request, the targets left for it and what was tried.

    Args:
        places: for each model and region in order, the ways in, the preferred one first; asked again when
            the catalog has learnt more during the call.
        request: a valid Converse request; it is never changed.
        operation: "Converse" or "ConverseStream", whichever `send` calls.
        warnings: what the caller should be told in any case.
        cancelled: set by another thread to end the call: no further attempt or wait starts.
        patience: how the call waits for quota.
        cost_limit: leaves out targets where the request may cost too much; None for no limit.
    """

    def __init__(
        self,
        resources: ManagerResources,
        places: Callable[[], Iterable[Sequence[ModelAccess]]],
        *,
        request: Mapping[str, Any],
        send: Send[R],
        operation: str,
        deadline: Deadline,
        warnings: Iterable[str] = (),
        cancelled: threading.Event | None = None,
        patience: QuotaPatience = ONE_CALL,
        cost_limit: CostLimit | None = None,
    ) -> None:
        self.record = CallRecord(warnings)
        self._streaming = operation == "ConverseStream"
        self._resources = resources
        self._features = FeatureFallback(
            resources.features,
            request,
            operation=operation,
            enabled=resources.retry_config.enable_feature_fallback,
        )
        self._send = send
        self._deadline = deadline
        self._cancelled = cancelled
        self._places = places
        self._cost_limit = cost_limit
        self._pacing = CallPacing(
            resources.quotas,
            partial(_reserved_tokens, self._features),
            longest_wait=resources.timeout if deadline.at == math.inf else math.inf,
            patience=patience,
        )
        self._permit: Permit | None = None
        self._route = Route(
            self._affordable(places()),
            resources.retry_config,
            resources.cooldowns,
            deadline,
            content_left_out=self._features.content_left_out,
            streaming=self._streaming,
            pacing=self._pacing,
        )
        self._credentials_renewed = False
        self._refusing_regions: set[str] = set()
        self._set_aside: set[str] = set()
        self._log = DecisionLog()

    def answer(self) -> tuple[ModelAccess, R]:
        """Call targets until one answers.

        Raises:
            RetryExhaustedError, DeadlineExceededError: none did.
            AuthenticationError, RequestValidationError, ConfigurationError: none would.
        """
        while (step := self._route.next()) is not None:
            if not self.wait(step.delay):
                break
            answered, raw = self._attempt(step)
            if answered:
                return step.target, raw  # type: ignore[return-value]
        raise self._exhausted()

    def reject_answer(self, error: Exception, *, final: bool) -> None:
        """Record that the answer just received is invalid; when `final`, the call ends with it."""
        decision = Decision(Next.GIVE_UP if final else Next.SAME_TARGET, Kind.INVALID_ANSWER)
        self.record.change_last_to_failure(error, decision, next_=decision.next)
        self._log.answer_rejected(decision)

    def broke_off(self, target: ModelAccess, error: Exception) -> Next:
        """The answer of the target was lost on its way; where the call can go from there.

        Raises:
            Exception: `error` itself when it is none of AWS, of the transport or of the deadline.
        """
        if isinstance(error, DeadlineExceededError):
            decision = Decision(Next.GIVE_UP, Kind.TIMEOUT)
        else:
            decision = self._decision(error)
        next_ = decision.next
        if next_ in (Next.DROP_FEATURE, Next.OTHER_ACCESS_METHOD):
            next_ = Next.OTHER_REGION
        self.record.change_last_to_failure(error, decision, next_=next_, ended_now=True)
        self._log_lost_answer(target, error, replace(decision, next=next_))
        if next_ is not Next.GIVE_UP:
            self._route.failed(target, decision, next_)
        return next_

    def go_on_with(self, request: Mapping[str, Any], wanted: Callable[[ModelAccess], bool]) -> None:
        """Ask something else from now on, and only of the targets that are wanted."""
        self._features.replace_request(request)
        self._route.keep(wanted)

    def wait(self, seconds: float) -> bool:
        """Sleep; False when the call was cancelled or would outlast its deadline."""
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

    def response(
        self, target: ModelAccess | None, data: dict[str, Any] | None, *, success: bool
    ) -> BedrockResponse:
        """Return the response of the call as it stands now."""
        if target is None:
            return self.record.response(None, data, success=success)
        return self.record.response(
            target,
            data,
            success=success,
            features_dropped=self._features.left_out(target.model_id),
            warnings=self._features.warnings(target.model_id),
        )

    def note_usage(self, target: ModelAccess, metadata: Mapping[str, Any]) -> None:
        """Record the tokens of a stream, which are known at its end."""
        self.record.note_usage(target, metadata)
        tokens = settled_tokens(metadata, target.model_id)
        if self._permit is not None and tokens is not None:
            self._permit.settle(tokens)

    def count(self) -> None:
        """Add the call to the manager's statistics; once, when it has ended."""
        self.record.add_to(self._resources.stats)

    def _attempt(self, step: Step[ModelAccess]) -> tuple[bool, R | None]:
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
            self._failed(target, error, self._decision(error), start)
            return False, None
        with self._resources.cooldowns.turn(
            target,
            has_other=self._route.can_postpone(target),
            time_left=self._deadline.remaining(),
            streaming=self._streaming,
        ) as turn:
            if not turn.may_call:
                self._route.postpone(target)
                return False, None
            permit = self._pacing.enter(
                target,
                wait=step.quota_wait,
                seconds=self._deadline.remaining(),
                cancelled=self._cancelled,
            )
            if permit is None:
                return False, None
            self._log_next(step)
            with permit:
                return self._call(target, client, body, permit=permit)

    def _call(
        self, target: ModelAccess, client: Any, body: bytes, *, permit: Permit
    ) -> tuple[bool, R | None]:
        # To make the client can take long, and so can a wait for quota.
        remaining = self._deadline.remaining()
        if remaining <= 0:
            raise self._exhausted("the deadline passed before the target could be called")
        start = datetime.now(UTC)
        try:
            raw = self._send(
                client, target.invoke_id, body, max(min(self._resources.timeout, remaining), 0.001)
            )
        except Exception as error:
            decision = self._decision(error)
            if decision.quota is not None:
                permit.throttled(decision.quota, retry_after=decision.retry_after)
            elif tokens_of_failure(error, decision) is not None:
                permit.rejected()
            self._failed(target, error, decision, start)
            return False, None
        answer = raw if isinstance(raw, Mapping) else None
        permit.answered(
            settled_tokens(answer, target.model_id) if answer else None, latency=latency_seconds(answer)
        )
        self._permit = permit
        self.record.add_success(target, start, answer=answer)
        self._log.attempt_succeeded(target, start)
        self._resources.cooldowns.attempt_succeeded(target, streaming=self._streaming)
        for region in self._refusing_regions:
            self._resources.cooldowns.region_refused(region)
        self._features.answered(target.model_id)
        return True, raw

    def _log_next(self, step: Step[ModelAccess]) -> None:
        model_id = step.target.model_id
        self._log.next_attempt(step.target, step.delay)
        if model_id in self._set_aside:
            self._set_aside.remove(model_id)
            self._log.feature_dropped(step.target, self._features.left_out(model_id))

    def _log_lost_answer(self, target: ModelAccess, error: Exception, decision: Decision) -> None:
        start = self.record.attempts[-1].start_time
        self._log.attempt_failed(target, start, error=error, decision=decision)

    def _decision(self, error: Exception) -> Decision:
        """Return what the error means; raise it when it comes neither from AWS nor from the transport."""
        decision = classify(error, self._resources.retry_config.retryable_errors)
        if decision is None:
            raise error
        return decision

    def _failed(self, target: ModelAccess, error: Exception, decision: Decision, start: datetime) -> None:
        next_ = self._where_next(target, decision)
        decided = replace(decision, next=next_)
        self.record.add_failure(target, start, error=error, decision=decided)
        self._log.attempt_failed(target, start, error=error, decision=decided)
        if next_ is Next.GIVE_UP:
            self._give_up(error, decision)
        if decision.kind in CREDENTIALS_KINDS and next_ is Next.OTHER_REGION:
            self._refusing_regions.add(target.region)
        self._route.failed(target, decision, next_)

    def _where_next(self, target: ModelAccess, decision: Decision) -> Next:
        """Resolve what depends on the call: a feature to drop, another access method, a new session."""
        if decision.next is Next.DROP_FEATURE:
            return self._after_refusal(target, decision)
        if decision.next is Next.OTHER_ACCESS_METHOD:
            if decision.kind is Kind.ACCESS_METHOD:
                ways = self._resources.access_method_rejected(target, self._deadline.remaining())
                for affordable in self._affordable([ways]):
                    self._route.add_ways(target, affordable)
            return decision.next if self._route.has_other_way(target) else decision.otherwise
        if decision.kind is Kind.MODEL and self._route.is_last(target):
            return self._where_else(target, decision.next)
        if decision.kind is Kind.EXPIRED_CREDENTIALS and not self._credentials_renewed:
            self._credentials_renewed = True
            self._resources.clients.renew()
            return Next.SAME_TARGET_NOW
        if decision.kind is Kind.REQUEST and self._features.restore(target.model_id):
            # The request may be invalid without what was left out because of an earlier call.
            return Next.SAME_TARGET_NOW
        return decision.next

    def _after_refusal(self, target: ModelAccess, decision: Decision) -> Next:
        """The model refuses a feature: where the call goes without it, or to a model that accepts it."""
        dropped = self._features.feature_rejected(target.model_id, decision.features)
        if dropped is None:
            return decision.otherwise
        if dropped is FeatureClass.CONTENT and self._route.has_more_complete(target):
            self._set_aside.add(target.model_id)
            return Next.OTHER_MODEL_FIRST
        self._log.feature_dropped(target, self._features.left_out(target.model_id))
        return Next.DROP_FEATURE

    def _where_else(self, target: ModelAccess, next_: Next) -> Next:
        """The last target does not exist: refresh the catalog before the call fails.

        Not after an access denial: what Bedrock lists is the same for every account.
        """
        self._resources.refresh_catalog(self._deadline.remaining())
        self._route.add_places(self._affordable(self._places()))
        return Next.OTHER_ACCESS_METHOD if self._route.has_other_way(target) else next_

    def _affordable(self, places: Iterable[Sequence[ModelAccess]]) -> Iterable[Sequence[ModelAccess]]:
        return places if self._cost_limit is None else self._cost_limit.within(places)

    def _give_up(self, error: Exception, decision: Decision) -> NoReturn:
        auth_type = self._resources.clients.auth_type
        final = self.record.final_error(error, decision, auth_type=auth_type)
        if final is not None:
            raise final from error
        raise self._exhausted(f"no target would accept the request: {error}")

    def _exhausted(self, reason: str | None = None) -> LLMManagerError:
        reason = reason or ("cancelled" if self.is_cancelled else self._route.ended_by)
        left_out = self._cost_limit.left_out if self._cost_limit else ""
        out_of_time = self._deadline.remaining() <= 0 or self._route.out_of_time
        oversize = self._pacing.oversize
        if self._route.is_oversized and oversize is not None and not self.record.attempts:
            from llmmanager.bedrock.invocation.oversized_request import oversized_request  # for errors only

            return oversized_request(oversize, self._features.request(oversize.target.model_id))
        if not out_of_time and not self.is_cancelled:
            refused = self.record.credentials_error(auth_type=self._resources.clients.auth_type)
            if refused is not None:
                return refused
        return self.record.exhausted(
            reason,
            out_of_time=out_of_time and not self.is_cancelled,
            quota_wait=None if self.is_cancelled else self._route.quota_wait,
            left_out=left_out,
        )


def _reserved_tokens(features: FeatureFallback, target: ModelAccess) -> int:
    """Return what Bedrock reserves for the call. No method of the call, which it would keep alive."""
    model = target.model_id
    return reserved_tokens(features.request(model), features.body(model), model)
