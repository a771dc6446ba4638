"""Choose the next target of a call."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from llmmanager.bedrock.models.deadline import NEVER, Deadline
from llmmanager.bedrock.models.llm_manager_structures import RetryConfig
from llmmanager.bedrock.routing.backoff import delay
from llmmanager.bedrock.routing.cooldown import Cooldowns
from llmmanager.bedrock.routing.decision import Decision, ErrorScope, Kind, Next, QuotaUnit
from llmmanager.bedrock.routing.keys import Target, group_key, narrowed_scope
from llmmanager.bedrock.routing.quota_pacing import CallPacing
from llmmanager.bedrock.routing.route_group import RouteGroup, new_group

T = TypeVar("T", bound=Target)

# Shared by all calls, because seeding a generator costs a system call. It has no state that forked processes
# would share: they would wait for the same times.
_RNG = random.SystemRandom()


@dataclass(frozen=True)
class Step(Generic[T]):
    """The next attempt: wait `delay` seconds, then call `target`.

    Attributes:
        quota_wait: expected additional wait for the target's quota, in seconds.
    """

    target: T
    delay: float
    quota_wait: float = 0.0


@dataclass
class Route(Generic[T]):
    """The remaining targets of a call, and the order in which they are tried.

    Each round tries the groups in order. A group that failed transiently is tried again in the next round.
    With `on_throttle` "wait", a throttled group stays in the round, and other models are used only if its
    wait is too long. Models that would get an incomplete request are tried last. Such an attempt is not a
    retry: each of these models gets one attempt even if `max_retries` is exhausted. The route ends when no
    group is left, `max_retries` is exhausted, or the deadline leaves no time for another attempt.

    Attributes:
        groups: the targets of each model in each region, in order of preference.
        content_left_out: returns how many parts of the request's content a model would not get, by model
            id. Models with fewer come first.
        pacing: how the call waits for quota. Targets without a wait come first, then the shortest wait.
        quota_wait: the shortest wait for quota in seconds, if the call ended because all waits were too long.
        is_oversized: whether the call ended because it exceeds the quota of every remaining target.
    """

    groups: Iterable[Sequence[T]]
    config: RetryConfig
    cooldowns: Cooldowns
    deadline: Deadline = NEVER
    rng: random.Random = _RNG
    clock: Callable[[], float] = time.monotonic
    content_left_out: Callable[[str], int] = lambda _model_id: 0
    pacing: CallPacing = field(default_factory=CallPacing)
    transient_failures: int = 0
    ended_by: str = "every target failed"
    out_of_time: bool = False
    quota_wait: float | None = None
    is_oversized: bool = False

    def __post_init__(self) -> None:
        queue = [new_group(targets) for targets in self.groups if targets]
        if self.cooldowns.any():
            for group in queue:
                group.targets.sort(key=self._is_cooling)
            if queue and all(self._is_cooling(group.targets[0]) for group in queue):
                self.cooldowns.count_all_cooling()
            ranks = [group.key[0] for group in queue]
            queue.sort(key=lambda group: self._is_cooling(group.targets[0]))
            if self._waits:  # A throttled group is the last one of its model, but before other models.
                queue.sort(key=lambda group: (self._is_failing(group.targets[0]), ranks.index(group.key[0])))
        self._order = {group.id: position for position, group in enumerate(queue)}
        self._queue = queue
        self._next_round: list[RouteGroup[T]] = []
        self._incomplete: list[RouteGroup[T]] = []
        self._rejected: list[T] = []
        self._postponed: list[T] = []
        self._has_failed = False
        self._out_of_quota: set[str] = set()
        self._throttled: dict[T, QuotaUnit] = {}
        self._only_throttles = True
        self._repetition = 0
        self._max_failures = self.config.max_retries
        models = {group.key[0] for group in queue}
        if any(map(self.content_left_out, models)):
            self._move_to_incomplete(lambda group: self.content_left_out(group.key[0]) > 0)

    def next(self) -> Step[T] | None:
        """Return the next attempt, or None at the end of the route, with the reason in `ended_by`."""
        while (step := self._step()) is None and self._incomplete and not self._ends_without_quota:
            self._continue_incomplete()
        return step

    def _step(self) -> Step[T] | None:
        """Return the next attempt among the groups of the current round."""
        if self.transient_failures > self._max_failures and not self._waits_for_quota():
            self.ended_by = f"max_retries ({self.config.max_retries}) used up"
            return None
        if not self._queue:
            self._start_next_round()
        if self._ends_without_quota:
            self.ended_by = "the quota of the model is used up"
            return None
        now = self.clock()
        if not self._has_failed and (step := self._first_step(now)) is not None:
            return step
        in_time = [group for group in self._queue if max(now, group.not_before) < self.deadline.at]
        if in_time:
            return self._next_paced_step(in_time, now)
        if self._queue:
            self.ended_by = "the deadline left no time for another attempt"
            self.out_of_time = True
        return None

    def _waits_for_quota(self) -> bool:
        """Whether a call that failed only because of throttles waits for quota instead of ending.

        It does so if calls were admitted within the last window: then their usage shows how long to wait.
        """
        if not self._only_throttles:
            return False
        paced = {target for target, unit in self._throttled.items() if self.pacing.close(target, unit)}
        waiting = [
            group for group in (*self._queue, *self._next_round) if not paced.isdisjoint(group.targets)
        ]
        if not waiting:
            return False
        for group in waiting:
            group.targets = [target for target in group.targets if target in paced]
        self._queue, self._next_round = waiting, []
        self._max_failures = self.transient_failures
        return True

    def _first_step(self, now: float) -> Step[T] | None:
        """Return the first attempt if the preferred target can be called now, which is the usual case."""
        target = self._queue[0].targets[0] if self._queue and now < self.deadline.at else None
        if target is None or self.pacing.expected_wait(target) > 0:
            return None
        return Step(target, 0.0)

    def _next_paced_step(self, groups: Sequence[RouteGroup[T]], now: float) -> Step[T] | None:
        """Return the first target that can be called now, or the one with the shortest wait for quota.

        With `on_throttle` "wait", another model is chosen only if the wait for the first one is too long.
        """
        step, shortest = self._best_step(groups, now)
        if (step is None or step.quota_wait > 0) and self.pacing.quotas.follow():
            step, shortest = self._best_step(groups, now)
        if step is None and shortest == math.inf and self._next_round:
            self._queue = [group for group in self._queue if group not in groups]
            return self._step()
        if step is None and shortest == math.inf:
            self.is_oversized = True
            self.ended_by = "the request reserves more tokens than the quotas of the targets that are left"
        elif step is None:
            self.quota_wait = shortest
            self.ended_by = (
                f"the quota admits the next call in {shortest:.1f} s, later than the call may wait"
            )
        return step

    def _best_step(self, groups: Sequence[RouteGroup[T]], now: float) -> tuple[Step[T] | None, float]:
        """Return the attempt with the shortest wait, if the call may wait that long, and the wait."""
        models: Iterable[str | None] = [None]
        if self._waits:
            throttled = self._out_of_quota | {group.key[0] for group in groups if group.throttles}
            found = dict.fromkeys(group.key[0] for group in groups)
            models = sorted(found, key=lambda model: model not in throttled)
        limit = min(self.pacing.wait_left, self.deadline.at - now)
        shortest = math.inf
        for model in models:
            wait, group, target = self._shortest_wait(
                [group for group in groups if model in (None, group.key[0])], now
            )
            if wait <= limit and wait < math.inf:
                if target is not group.targets[0]:
                    group.targets = [target, *(other for other in group.targets if other is not target)]
                return Step(target, max(group.not_before - now, 0.0), wait), wait
            shortest = min(shortest, wait)
            if self.pacing.patience.repeated and wait < math.inf:
                break
        return None, shortest

    def _shortest_wait(self, groups: Sequence[RouteGroup[T]], now: float) -> tuple[float, RouteGroup[T], T]:
        """Return the shortest wait for quota in seconds, and its first target."""
        wait, group, target = math.inf, groups[0], groups[0].targets[0]
        for other, candidate in ((group, target) for group in groups for target in group.targets):
            seconds = self.pacing.expected_wait(candidate)
            if self._waits and other.throttles:
                seconds = max(seconds, other.not_before - now)
            if seconds < wait:
                wait, group, target = seconds, other, candidate
            if wait <= 0:
                break
        return wait, group, target

    def record_failure(self, target: T, decision: Decision, next_: Next) -> None:
        """Handle a failed attempt. `next_` is what the caller tries next."""
        self._has_failed = True
        self.cooldowns.attempt_failed(target, decision, form=self.pacing.form(target))
        if decision.kind is Kind.QUOTA:
            self._out_of_quota.add(target.model_id)
        is_throttle = decision.quota is not None
        is_free = is_throttle and (self._waits or self.pacing.patience.free_throttles)
        if decision.transient and not is_free:
            self.transient_failures += 1
            self._only_throttles &= decision.quota is not None
        if decision.quota is not None:
            self._throttled[target] = decision.quota
        group = self._group_of(target)
        if next_ in (Next.DROP_FEATURE, Next.SAME_TARGET_NOW):
            group.not_before = 0.0
        elif next_ is Next.SAME_TARGET and is_throttle and self._waits:
            self._requeue(group, target, decision)
        elif next_ is Next.SAME_TARGET:
            self._retry_in_next_round(group, target, decision)
        elif next_ is Next.OTHER_MODEL_FIRST:
            self._move_to_incomplete(lambda group: group.key[0] == target.model_id)
        else:
            self._remove_failed(group, target, decision, next_)

    def _retry_in_next_round(self, group: RouteGroup[T], target: T, decision: Decision) -> None:
        """Try the group again in the next round. If its region is unreachable, try other regions first."""
        self._queue.remove(group)
        self._delay_retry(group, target, decision, failures=self._repetition + 1)
        if decision.quota is None or not self.pacing.is_stopped:
            self._next_round.append(group)
        if decision.kind is Kind.UNREACHABLE:
            self._postpone_region(target.region)

    def _delay_retry(self, group: RouteGroup[T], target: T, decision: Decision, *, failures: int) -> float:
        """Set when the group can be tried again, and return the delay in seconds."""
        group.tried, group.not_before = True, 0.0
        if decision.quota is not None:
            if self.pacing.is_paced(target):
                return 0.0  # the quota gate decides when the target is called again
            failures = self.pacing.throttles_in_a_row(target, failures)
        seconds = delay(self.config, failures, decision.retry_after, self.rng)
        group.not_before = self.clock() + seconds
        return seconds

    def _requeue(self, group: RouteGroup[T], target: T, decision: Decision) -> None:
        """Put a throttled group after the others of its model, and before the other models."""
        group.throttles += 1
        self.pacing.longest_wait -= self._delay_retry(group, target, decision, failures=group.throttles)
        position = self._queue.index(group)
        self._queue.remove(group)
        if self.pacing.is_stopped or (self.pacing.patience.repeated and group.not_before >= self.deadline.at):
            self._out_of_quota.add(target.model_id)
            return
        same = [number for number, other in enumerate(self._queue) if other.key[0] == target.model_id]
        self._queue.insert(max([position, *(number + 1 for number in same)]), group)

    def can_postpone(self, target: T) -> bool:
        """Whether the call has another target to try before this one. A target is postponed once."""
        has_other = len(self._queue) > 1 or self.has_other_access_method(target)
        return has_other and target not in self._postponed

    def postpone(self, target: T) -> None:
        """Try other targets first: other access methods that were not denied, or else the other groups."""
        group = self._group_of(target)
        better = [
            other
            for other in group.targets
            if other != target and not self.cooldowns.is_last_choice(other, form=self.pacing.form(other))
        ]
        if better:
            self._postponed.append(target)
            group.targets = [*better, *(other for other in group.targets if other not in better)]
        else:
            self._postponed += group.targets
            self._queue.remove(group)
            self._queue.append(group)

    def add_targets(self, target: T, targets: Iterable[T]) -> None:
        """Add further access methods of the target's model in its region."""
        for group in self._queue:
            if group.id == group_key(target):
                known = [*group.targets, *self._rejected]
                group.targets += [other for other in targets if other not in known]

    def add_groups(self, groups: Iterable[Sequence[T]]) -> None:
        """Add targets that were found during the call: to existing groups, or as new groups at the end."""
        for targets in groups:
            group = new_group(targets)
            if group.id in self._order:
                self.add_targets(targets[0], targets)
            else:
                self._order[group.id] = len(self._order)
                is_incomplete = self.content_left_out(group.key[0]) > 0
                (self._incomplete if is_incomplete else self._queue).append(group)

    def is_last(self, target: T) -> bool:
        """Whether no other model or region is left."""
        return all(group.id == group_key(target) for group in (*self._queue, *self._next_round))

    def keep_only(self, wanted: Callable[[T], bool]) -> None:
        """Remove the groups whose preferred target is not wanted."""
        self._filter_groups(lambda group: wanted(group.targets[0]))

    def has_more_complete(self, target: T) -> bool:
        """Whether another model comes first because it may accept more of the request's content."""
        model = target.model_id
        others = (group for group in (*self._queue, *self._next_round) if group.key[0] != model)
        rank = self._rank(new_group([target]))
        return any(True for _ in others) or any(self._rank(group) < rank for group in self._incomplete)

    def has_other_access_method(self, target: T) -> bool:
        """Whether the target's model has another access method in its region."""
        return len(self._group_of(target).targets) > 1

    def _group_of(self, target: T) -> RouteGroup[T]:
        return next(group for group in self._queue if group.targets[0] == target)

    def _rank(self, group: RouteGroup[T]) -> tuple[int, int]:
        return (self.content_left_out(group.key[0]), self._order[group.id])

    def _move_to_incomplete(self, chosen: Callable[[RouteGroup[T]], bool]) -> None:
        """Try these groups only after all others."""
        self._incomplete += [group for group in (*self._queue, *self._next_round) if chosen(group)]
        self._queue = [group for group in self._queue if not chosen(group)]
        self._next_round = [group for group in self._next_round if not chosen(group)]

    def _continue_incomplete(self) -> None:
        """Continue with the model that gets the most complete request."""
        model = min(self._incomplete, key=self._rank).key[0]
        own = [group for group in self._incomplete if group.key[0] == model]
        self._queue = sorted(own, key=lambda group: (group.tried, self._order[group.id]))
        self._next_round = []
        self._incomplete = [group for group in self._incomplete if group.key[0] != model]
        self._max_failures = max(self._max_failures, self.transient_failures)
        self.ended_by, self.out_of_time = "every target failed", False
        self.quota_wait, self.is_oversized = None, False

    @property
    def _waits(self) -> bool:
        """Whether a throttled call waits for its model before it uses another."""
        return self.config.on_throttle == "wait"

    @property
    def _ends_without_quota(self) -> bool:
        """Whether the call ends because a model has no quota, instead of using another one."""
        if not (self._out_of_quota and self._waits and self.pacing.patience.repeated):
            return False
        return not any(group.key[0] in self._out_of_quota for group in (*self._queue, *self._next_round))

    def _is_cooling(self, target: T) -> bool:
        return self.cooldowns.is_cooling(target, form=self.pacing.form(target))

    def _is_failing(self, target: T) -> bool:
        waits = (Kind.THROTTLE, Kind.QUOTA) if self.pacing.patience.repeated else (Kind.THROTTLE,)
        return self.cooldowns.is_failing(target, form=self.pacing.form(target), except_for=waits)

    def _remove_failed(self, group: RouteGroup[T], target: T, decision: Decision, next_: Next) -> None:
        """Remove the targets that the decision is about."""
        if narrowed_scope(decision.scope, target) is ErrorScope.ACCESS_METHOD_EVERYWHERE:
            self._remove_targets(lambda other: other.invoke_id == target.invoke_id)
        elif next_ is Next.OTHER_ACCESS_METHOD:
            self._rejected.append(group.targets.pop(0))
        elif next_ is Next.OTHER_MODEL:
            self._remove_targets(lambda other: other.model_id == target.model_id)
        elif decision.scope is ErrorScope.REGION:
            self._remove_targets(lambda other: other.region == target.region)
        else:
            self._queue.remove(group)

    def _remove_targets(self, unwanted: Callable[[T], bool]) -> None:
        for group in (*self._queue, *self._next_round, *self._incomplete):
            self._rejected += [target for target in group.targets if unwanted(target)]
            group.targets = [target for target in group.targets if not unwanted(target)]
        self._filter_groups(lambda group: bool(group.targets))

    def _filter_groups(self, wanted: Callable[[RouteGroup[T]], bool]) -> None:
        self._queue, self._next_round, self._incomplete = (
            [group for group in groups if wanted(group)]
            for groups in (self._queue, self._next_round, self._incomplete)
        )

    def _start_next_round(self) -> None:
        self._queue = sorted(self._next_round, key=lambda group: (group.tried, self._order[group.id]))
        self._next_round = []
        self._repetition += 1

    def _postpone_region(self, region: str) -> None:
        """Try the other regions first: an unreachable endpoint fails for every model."""
        self._next_round += [group for group in self._queue if group.key[1] == region]
        self._queue = [group for group in self._queue if group.key[1] != region]
