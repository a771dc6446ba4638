"""Which target is tried next in one call."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from llmmanager.bedrock.models.deadline import NEVER, Deadline
from llmmanager.bedrock.models.llm_manager_structures import RetryConfig, RetryStrategy
from llmmanager.bedrock.routing.backoff import delay
from llmmanager.bedrock.routing.cooldown import Cooldowns
from llmmanager.bedrock.routing.decision import Decision, Kind, Next, Scope
from llmmanager.bedrock.routing.keys import Target, narrowed
from llmmanager.bedrock.routing.quota_pacing import CallPacing

T = TypeVar("T", bound=Target)

# One for all calls: to seed a generator costs a system call. Without a state, since forked processes would
# share it and wait for the same times.
_RNG = random.SystemRandom()


def _complete(_model_id: str) -> int:
    return 0


def in_order(
    models: Sequence[str], regions: Sequence[str], strategy: RetryStrategy
) -> Iterable[tuple[str, str]]:
    """Every (model, region) in the documented order of the strategy."""
    if strategy is RetryStrategy.MODEL_FIRST:
        return [(model, region) for region in regions for model in models]
    return [(model, region) for model in models for region in regions]


@dataclass
class _Place(Generic[T]):
    """A model in a region, with the access methods that are left, the preferred one first."""

    key: tuple[str, str]
    ways: list[T]
    not_before: float = 0.0
    tried: bool = False
    throttles: int = 0


def _place(ways: Sequence[T]) -> _Place[T]:
    return _Place((ways[0].model_id, ways[0].region), list(ways))


@dataclass(frozen=True)
class Step(Generic[T]):
    """The next attempt: wait `delay` seconds, then call `target`.

    Attributes:
        quota_wait: seconds that the target's quota is expected to let the call wait in addition.
    """

    target: T
    delay: float
    quota_wait: float = 0.0


@dataclass
class Route(Generic[T]):
    """The targets of one call and what is left of them.

    Each round walks the places in order; a place that failed transiently stands in line again for the
    next round. With `on_throttle` "wait", a throttled place stays in line, and other models are used only
    when the wait for it is too long. The route ends when no place is left, `max_retries` is used up, or
    nothing more can start before the deadline. Before it ends, the models that were set aside are tried:
    those whose request would be incomplete. That is no retry, so that each of them gets one attempt when
    `max_retries` is used up.

    Attributes:
        content_left_out: how many parts of the request's content a model would have to do without, by
            model id. Models with fewer come first.
        streaming: whether the call is ConverseStream.
        pacing: how the call waits for quota. A target where it need not wait comes first; when there is
            none, the one with the shortest wait.
        quota_wait: the shortest wait for quota in seconds, when the call ended since all were too long.
        is_oversized: whether the call ended since no target that is left ever admits it.
    """

    places: Iterable[Sequence[T]]
    config: RetryConfig
    cooldowns: Cooldowns
    deadline: Deadline = NEVER
    rng: random.Random = _RNG
    clock: Callable[[], float] = time.monotonic
    content_left_out: Callable[[str], int] = _complete
    streaming: bool = False
    pacing: CallPacing = field(default_factory=CallPacing)
    transient_failures: int = 0
    ended_by: str = "every target failed"
    out_of_time: bool = False
    quota_wait: float | None = None
    is_oversized: bool = False

    def __post_init__(self) -> None:
        line = [_place(ways) for ways in self.places if ways]
        if self.cooldowns.any():
            for place in line:
                place.ways.sort(key=self._is_cooling)
            if line and all(self._is_cooling(place.ways[0]) for place in line):
                self.cooldowns.note_all_cooling()
            ranks = [place.key[0] for place in line]
            line.sort(key=lambda place: self._is_cooling(place.ways[0]))
            if self._waits:  # A throttled place is the last one of its model, but not behind other models.
                line.sort(key=lambda place: (self._is_failing(place.ways[0]), ranks.index(place.key[0])))
        self._order = {place.key: position for position, place in enumerate(line)}
        self._line = line
        self._again: list[_Place[T]] = []
        self._aside: list[_Place[T]] = []
        self._closed: list[T] = []
        self._postponed: list[T] = []
        self._has_failed = False
        self._out_of_quota: set[str] = set()
        self._repetition = 0
        self._most_failures = self.config.max_retries
        models = {model for model, _ in self._order}
        if any(map(self.content_left_out, models)):
            self._set_aside(lambda place: self.content_left_out(place.key[0]) > 0)

    def next(self) -> Step[T] | None:
        """The attempt to make now, or None when the route has ended (`ended_by` says why)."""
        while (step := self._step()) is None and self._aside and not self._ends_without_quota:
            self._bring_back()
        return step

    def _step(self) -> Step[T] | None:
        """The attempt to make now at one of the places in line."""
        if self.transient_failures > self._most_failures:
            self.ended_by = f"max_retries ({self.config.max_retries}) used up"
            return None
        if not self._line:
            self._start_next_round()
        if self._ends_without_quota:
            self.ended_by = "the quota of the model is used up"
            return None
        now = self.clock()
        if not self._has_failed and (step := self._first_step(now)) is not None:
            return step
        in_time = [place for place in self._line if max(now, place.not_before) < self.deadline.at]
        if in_time:
            return self._soonest(in_time, now)
        if self._line:
            self.ended_by = "the deadline left no time for another attempt"
            self.out_of_time = True
        return None

    def _first_step(self, now: float) -> Step[T] | None:
        """Return the first attempt when the preferred target can be called now, as it nearly always can."""
        target = self._line[0].ways[0] if self._line and now < self.deadline.at else None
        if target is None or self.pacing.expected_wait(target) > 0:
            return None
        return Step(target, 0.0)

    def _soonest(self, places: Sequence[_Place[T]], now: float) -> Step[T] | None:
        """Return the first target that can be called now, else the one whose quota frees first.

        Where the call waits for its model, another model is chosen only when that wait is too long.
        """
        step, shortest = self._within_wait(places, now)
        if (step is None or step.quota_wait > 0) and self.pacing.quotas.follow():
            step, shortest = self._within_wait(places, now)
        if step is None and shortest == math.inf and self._again:
            self._line = [place for place in self._line if place not in places]
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

    def _within_wait(self, places: Sequence[_Place[T]], now: float) -> tuple[Step[T] | None, float]:
        """Return the soonest attempt if the call may wait so long, and the shortest wait in seconds."""
        models: Iterable[str | None] = [None]
        if self._waits:
            throttled = self._out_of_quota | {place.key[0] for place in places if place.throttles}
            found = dict.fromkeys(place.key[0] for place in places)
            models = sorted(found, key=lambda model: model not in throttled)
        longest = min(self.pacing.wait_left, self.deadline.at - now)
        shortest = math.inf
        for model in models:
            wait, place, way = self._shortest_wait(
                [place for place in places if model in (None, place.key[0])], now
            )
            if wait <= longest and wait < math.inf:
                if way is not place.ways[0]:
                    place.ways = [way, *(other for other in place.ways if other is not way)]
                return Step(way, max(place.not_before - now, 0.0), wait), wait
            shortest = min(shortest, wait)
            if self.pacing.patience.repeated and wait < math.inf:
                break
        return None, shortest

    def _shortest_wait(self, places: Sequence[_Place[T]], now: float) -> tuple[float, _Place[T], T]:
        """Return the shortest wait for quota in seconds, and the first target that has it."""
        wait, place, way = math.inf, places[0], places[0].ways[0]
        for other, candidate in ((place, way) for place in places for way in place.ways):
            seconds = self.pacing.expected_wait(candidate)
            if self._waits and other.throttles:
                seconds = max(seconds, other.not_before - now)
            if seconds < wait:
                wait, place, way = seconds, other, candidate
            if wait <= 0:
                break
        return wait, place, way

    def failed(self, target: T, decision: Decision, next_: Next) -> None:
        """Take note of a failed attempt; `next_` is where the caller decided to go."""
        self._has_failed = True
        key = (target.model_id, target.region)
        self.cooldowns.attempt_failed(target, decision, streaming=self.streaming)
        if decision.kind is Kind.QUOTA:
            self._out_of_quota.add(target.model_id)
        is_throttle = decision.quota is not None
        is_free = is_throttle and (self._waits or self.pacing.patience.free_throttles)
        if decision.transient and not is_free:
            self.transient_failures += 1
        place = next(place for place in self._line if place.key == key)
        if next_ in (Next.DROP_FEATURE, Next.SAME_TARGET_NOW):
            place.not_before = 0.0
        elif next_ is Next.SAME_TARGET and is_throttle and self._waits:
            self._keep_in_line(place, target, decision)
        elif next_ is Next.SAME_TARGET:
            self._line.remove(place)
            place.tried = True
            if is_throttle and self.pacing.is_paced(target):
                place.not_before = 0.0  # the quota gate says when the target is called again
            else:
                place.not_before = self.clock() + delay(
                    self.config, self._repetition + 1, decision.retry_after, self.rng
                )
            if not (is_throttle and self.pacing.is_stopped):
                self._again.append(place)
            if decision.kind is Kind.UNREACHABLE:
                self._postpone_region(target.region)
        elif next_ is Next.OTHER_MODEL_FIRST:
            self._set_aside(lambda place: place.key[0] == target.model_id)
        else:
            self._leave(place, target, decision, next_)

    def _keep_in_line(self, place: _Place[T], target: T, decision: Decision) -> None:
        """Put a throttled place behind the others of its model, and before the other models."""
        place.tried = True
        place.throttles += 1
        place.not_before = 0.0
        if not self.pacing.is_paced(target):
            seconds = delay(self.config, place.throttles, decision.retry_after, self.rng)
            self.pacing.longest_wait -= seconds
            place.not_before = self.clock() + seconds
        position = self._line.index(place)
        self._line.remove(place)
        if self.pacing.is_stopped or (self.pacing.patience.repeated and place.not_before >= self.deadline.at):
            self._out_of_quota.add(target.model_id)
            return
        same = [number for number, other in enumerate(self._line) if other.key[0] == target.model_id]
        self._line.insert(max([position, *(number + 1 for number in same)]), place)

    def can_postpone(self, target: T) -> bool:
        """Whether the call has another target to try before this one. A target is postponed once."""
        return target not in self._postponed and (len(self._line) > 1 or self.has_other_way(target))

    def postpone(self, target: T) -> None:
        """Try the others first: the other access methods that are not in doubt, else the other places."""
        place = next(place for place in self._line if place.ways[0] == target)
        better = [
            way
            for way in place.ways
            if way != target and not self.cooldowns.is_better_last(way, streaming=self.streaming)
        ]
        if better:
            self._postponed.append(target)
            place.ways = [*better, *(way for way in place.ways if way not in better)]
        else:
            self._postponed += place.ways
            self._line.remove(place)
            self._line.append(place)

    def add_ways(self, target: T, ways: Iterable[T]) -> None:
        """Further ways in to the target's model in its region, learnt during the call."""
        key = (target.model_id, target.region)
        for place in self._line:
            if place.key == key:
                place.ways += [way for way in ways if way not in place.ways and way not in self._closed]

    def add_places(self, places: Iterable[Sequence[T]]) -> None:
        """What was learnt during the call: further ways in to places that are left; further places, last."""
        for ways in places:
            place = _place(ways)
            if place.key in self._order:
                self.add_ways(ways[0], ways)
            else:
                self._order[place.key] = len(self._order)
                incomplete = self.content_left_out(place.key[0]) > 0
                (self._aside if incomplete else self._line).append(place)

    def is_last(self, target: T) -> bool:
        """Whether no other model or region is left."""
        key = (target.model_id, target.region)
        return all(place.key == key for place in (*self._line, *self._again))

    def keep(self, wanted: Callable[[T], bool]) -> None:
        """Leave out every place whose preferred way in is not wanted any more."""
        self._line = [place for place in self._line if wanted(place.ways[0])]
        self._again = [place for place in self._again if wanted(place.ways[0])]
        self._aside = [place for place in self._aside if wanted(place.ways[0])]

    def has_more_complete(self, target: T) -> bool:
        """Whether another model comes first, since it may accept more of the request's content."""
        model = target.model_id
        others = (place for place in (*self._line, *self._again) if place.key[0] != model)
        return any(True for _ in others) or any(
            self._rank(place.key) < self._rank((model, target.region)) for place in self._aside
        )

    def has_other_way(self, target: T) -> bool:
        """Whether the target's model can be had in its region through another access method."""
        key = (target.model_id, target.region)
        return any(place.key == key and len(place.ways) > 1 for place in self._line)

    def _rank(self, key: tuple[str, str]) -> tuple[int, int]:
        return (self.content_left_out(key[0]), self._order[key])

    def _set_aside(self, chosen: Callable[[_Place[T]], bool]) -> None:
        """Keep these places for the time when no other place is left."""
        self._aside += [place for place in (*self._line, *self._again) if chosen(place)]
        self._line = [place for place in self._line if not chosen(place)]
        self._again = [place for place in self._again if not chosen(place)]

    def _bring_back(self) -> None:
        """Continue with the model, of those set aside, whose request is the most complete."""
        model = min(self._aside, key=lambda place: self._rank(place.key)).key[0]
        own = [place for place in self._aside if place.key[0] == model]
        self._line = sorted(own, key=lambda place: (place.tried, self._order[place.key]))
        self._again = []
        self._aside = [place for place in self._aside if place.key[0] != model]
        self._most_failures = max(self._most_failures, self.transient_failures)
        self.ended_by, self.out_of_time = "every target failed", False
        self.quota_wait, self.is_oversized = None, False

    @property
    def _waits(self) -> bool:
        """Whether a throttled call waits for its model before it uses another."""
        return self.config.on_throttle == "wait"

    @property
    def _ends_without_quota(self) -> bool:
        """Whether the call ends since a model has no quota, and does not go on with another one."""
        if not (self._out_of_quota and self._waits and self.pacing.patience.repeated):
            return False
        return not any(place.key[0] in self._out_of_quota for place in (*self._line, *self._again))

    def _is_cooling(self, target: T) -> bool:
        return self.cooldowns.is_cooling(target, streaming=self.streaming)

    def _is_failing(self, target: T) -> bool:
        waits = (Kind.THROTTLE, Kind.QUOTA) if self.pacing.patience.repeated else (Kind.THROTTLE,)
        return self.cooldowns.is_failing(target, streaming=self.streaming, besides=waits)

    def _leave(self, place: _Place[T], target: T, decision: Decision, next_: Next) -> None:
        """Take out of the call what the decision is about."""
        if narrowed(decision.scope, target) is Scope.ACCESS_METHOD_EVERYWHERE:
            self._take_out(lambda way: way.invoke_id == target.invoke_id)
        elif next_ is Next.OTHER_ACCESS_METHOD:
            self._closed.append(place.ways.pop(0))
        elif next_ is Next.OTHER_MODEL:
            self._take_out(lambda way: way.model_id == target.model_id)
        elif decision.scope is Scope.REGION:
            self._take_out(lambda way: way.region == target.region)
        else:
            self._line.remove(place)

    def _take_out(self, unwanted: Callable[[T], bool]) -> None:
        for place in (*self._line, *self._again, *self._aside):
            self._closed += [way for way in place.ways if unwanted(way)]
            place.ways = [way for way in place.ways if not unwanted(way)]
        self._line = [place for place in self._line if place.ways]
        self._again = [place for place in self._again if place.ways]
        self._aside = [place for place in self._aside if place.ways]

    def _start_next_round(self) -> None:
        self._line = sorted(self._again, key=lambda place: (place.tried, self._order[place.key]))
        self._again = []
        self._repetition += 1

    def _postpone_region(self, region: str) -> None:
        """A region whose endpoint cannot be reached is so for every model: the others come first."""
        self._again += [place for place in self._line if place.key[1] == region]
        self._line = [place for place in self._line if place.key[1] != region]
