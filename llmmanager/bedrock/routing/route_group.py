"""The targets of a call for one model in one region, and when they can be tried again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from llmmanager.bedrock.routing.keys import Target, group_key

T = TypeVar("T", bound=Target)


@dataclass
class RouteGroup(Generic[T]):
    """The remaining targets of a group key, one for each access method, in order of preference."""

    id: tuple[str, str]
    key: tuple[str, str]  # the model and the region
    targets: list[T]
    not_before: float = 0.0
    tried: bool = False
    throttles: int = 0


def new_group(targets: Sequence[T]) -> RouteGroup[T]:
    """Return a group that was not tried yet."""
    first = targets[0]
    return RouteGroup(group_key(first), (first.model_id, first.region), list(targets))
