"""Keys of cooldowns and denials: a model or an access method, in a region or everywhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from llmmanager.bedrock.models.llm_manager_structures import ACCESS_METHODS
from llmmanager.bedrock.routing.decision import ErrorScope

ALL = "*"

Key = tuple[str, str]
"""A pair of a model and a region.

The first is a model id (`model id|service tier` in another tier than the default one, which has its own
capacity), `invoked id|access method` for one access method of a model (`…|stream` for its streams, which need
another permission), or "*" for every model. The second is a region, or "*" for all regions.
"""


@dataclass(frozen=True, slots=True)
class CallForm:
    """The form in which a call uses a target.

    Attributes:
        streaming: whether the call is ConverseStream.
        tier: the service tier; empty for the default one.
    """

    streaming: bool = False
    tier: str = ""


DEFAULT_FORM = CallForm()


class Target(Protocol):
    """One model in one region through one access method."""

    @property
    def model_id(self) -> str:
        """The ID of the model."""

    @property
    def region(self) -> str:
        """The region to call."""

    @property
    def invoke_id(self) -> str:
        """The ID to invoke: of the model or of an inference profile."""

    @property
    def access_method(self) -> str | None:
        """One of `ACCESS_METHODS`; None for an ID that is not in the catalog."""


def group_key(target: Target) -> Key:
    """Return what is called in a region: a model, or a resource of the account by its ARN."""
    called = target.invoke_id if target.invoke_id.startswith("arn:") else target.model_id
    return called, target.region


def narrowed_scope(scope: ErrorScope, target: Target) -> ErrorScope:
    """Return the scope, limited to the region unless the target is a global profile."""
    if scope is ErrorScope.ACCESS_METHOD_EVERYWHERE and target.access_method != ACCESS_METHODS[-1]:
        return ErrorScope.ACCESS_METHOD
    return scope


def key_of(target: Target, scope: ErrorScope, *, form: CallForm = DEFAULT_FORM) -> Key:
    """Return the key of the target's part that a decision of this scope is about."""
    match narrowed_scope(scope, target):
        case ErrorScope.ACCESS_METHOD:
            return _access(target, form), target.region
        case ErrorScope.ACCESS_METHOD_EVERYWHERE:
            return _access(target, form), ALL
        case ErrorScope.REGION:
            return ALL, target.region
        case ErrorScope.MODEL:
            return target.model_id, ALL
    return _model(target, form), target.region


def keys_of(target: Target, *, form: CallForm = DEFAULT_FORM) -> tuple[Key, ...]:
    """Return the keys of all parts that a call of the target depends on."""
    access = _access(target, form)
    model, region = target.model_id, target.region
    in_region = _model(target, form), region
    return (access, region), (access, ALL), in_region, (ALL, region), (model, ALL)


def _model(target: Target, form: CallForm) -> str:
    return f"{target.model_id}|{form.tier}" if form.tier else target.model_id


def _access(target: Target, form: CallForm) -> str:
    return f"{target.invoke_id}|{target.access_method}{'|stream' if form.streaming else ''}"
