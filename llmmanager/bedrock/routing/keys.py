"""What a cooldown or a doubt is about: a model or an access method, in a region or everywhere."""

from __future__ import annotations

from typing import Protocol

from llmmanager.bedrock.models.llm_manager_structures import ACCESS_METHODS
from llmmanager.bedrock.routing.decision import Scope

ALL = "*"

Key = tuple[str, str]
"""What, and where.

What: a model id, `invoked id|access method` for one access method of a model (`…|stream` for streams through
it, which are another permission), or "*" for every model. Where: a region, or "*" for every region.
"""


class Target(Protocol):
    """One model in one region through one access method."""

    @property
    def model_id(self) -> str:
        """The model's id."""

    @property
    def region(self) -> str:
        """The region to call."""

    @property
    def invoke_id(self) -> str:
        """The id to invoke: the model's, or an inference profile's."""

    @property
    def access_method(self) -> str | None:
        """One of `ACCESS_METHODS`; None for an id that the catalog does not know."""


def narrowed(scope: Scope, target: Target) -> Scope:
    """Return the scope as far as it can hold for the target: only a global profile is the same everywhere."""
    if scope is Scope.ACCESS_METHOD_EVERYWHERE and target.access_method != ACCESS_METHODS[-1]:
        return Scope.ACCESS_METHOD
    return scope


def key_of(target: Target, scope: Scope, *, streaming: bool = False) -> Key:
    """Return the key of what a decision of this scope is about."""
    match narrowed(scope, target):
        case Scope.ACCESS_METHOD:
            return _access(target, streaming=streaming), target.region
        case Scope.ACCESS_METHOD_EVERYWHERE:
            return _access(target, streaming=streaming), ALL
        case Scope.REGION:
            return ALL, target.region
        case Scope.MODEL:
            return target.model_id, ALL
    return target.model_id, target.region


def keys_of(target: Target, *, streaming: bool = False) -> tuple[Key, ...]:
    """Return the keys of everything that a call of the target depends on."""
    access = _access(target, streaming=streaming)
    model, region = target.model_id, target.region
    return (access, region), (access, ALL), (model, region), (ALL, region), (model, ALL)


def _access(target: Target, *, streaming: bool) -> str:
    return f"{target.invoke_id}|{target.access_method}{'|stream' if streaming else ''}"
