"""Which models and regions a request with an API key may use."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from lambdas.api_keys.api_key import KeyIdentity
from llmmanager import ConfigurationError


class ResolvedName(Protocol):
    """A model for a name: what this module needs of the library's `ResolvedModel`."""

    @property
    def requested(self) -> str: ...

    @property
    def model_id(self) -> str: ...

    @property
    def pinned_invoke_id(self) -> str | None: ...


Resolve = Callable[[str], ResolvedName]
"""Returns the model for a display name, id or alias. It raises ConfigurationError for an unknown name."""


@dataclass(frozen=True, slots=True)
class AllowedTargets:
    """The models and regions that a request may use, in order of preference."""

    models: tuple[str, ...]
    regions: tuple[str, ...]


class KeyNotAllowed(Exception):
    """The key does not allow the request.

    Attributes:
        status: 401, 403 or 404.
        code: the error code of OpenAI's API.
        param: the field of the request that is not allowed; None if it is the key.
    """

    def __init__(self, status: int, code: str, message: str, *, param: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.param = param


def allowed_targets(
    identity: KeyIdentity,
    *,
    models: Sequence[str] | None,
    regions: Sequence[str] | None,
    configured: AllowedTargets,
    resolve: Resolve,
    now: datetime,
) -> AllowedTargets:
    """Return the models and regions that a request may use.

    A name stands for all access methods of its model, and the id of an inference profile for this profile
    only. A returned name allows only access methods that the request, the key and the settings all allow.

    Args:
        models: the requested models, the preferred one first; None for all models of the key.
        regions: the requested regions; None for all regions of the key.
        configured: models and regions of the deployment.

    Raises:
        KeyNotAllowed: the key has expired since the authorizer cached it (401), it does not allow a requested
            model (404, as if the model did not exist) or region (403), or nothing that it allows is
            configured (403).
    """
    check_not_expired(identity, now)
    available = _models_of_key(identity, configured.models, resolve)
    if not available:
        raise KeyNotAllowed(
            403,
            "permission_denied",
            "No model of this API key is configured. Use a key with other models.",
        )
    return AllowedTargets(
        tuple(dict.fromkeys(_requested_models(models, available, resolve))),
        _allowed_regions(identity, regions, configured.regions),
    )


def check_not_expired(identity: KeyIdentity, now: datetime) -> None:
    """Raise KeyNotAllowed if the key has expired, which may be since the authorizer's result was cached."""
    if identity.is_expired(now):
        raise KeyNotAllowed(401, "invalid_api_key", "The API key has expired. Use another key.")


def is_configured(name: str, configured: Sequence[str], resolve: Resolve) -> bool:
    """Whether the deployment has a model that a key with this name allows."""
    return any(_common(_resolved(configured, resolve), list(_resolved([name], resolve))))


def _models_of_key(
    identity: KeyIdentity, configured: Sequence[str], resolve: Resolve
) -> tuple[ResolvedName, ...]:
    """Return the models that both the settings and the key allow, in the order of the settings."""
    known = _resolved(configured, resolve)
    if identity.models is None:
        return tuple(known)
    return tuple(_common(known, list(_resolved(identity.models, resolve))))


def _requested_models(
    requested: Sequence[str] | None, available: Sequence[ResolvedName], resolve: Resolve
) -> list[str]:
    if not requested:
        return [model.requested for model in available]
    found: list[str] = []
    for name in requested:
        allowed = [model.requested for model in _common(available, list(_resolved([name], resolve)))]
        if not allowed:
            listed = ", ".join(model.requested for model in available)
            raise KeyNotAllowed(
                404,
                "model_not_found",
                f"The model {name!r:.200} does not exist, or this API key does not allow it. "
                f"Allowed models: {listed}.",
                param="model",
            )
        found += allowed
    return found


def _allowed_regions(
    identity: KeyIdentity, requested: Sequence[str] | None, configured: Sequence[str]
) -> tuple[str, ...]:
    allowed = [name for name in configured if identity.regions is None or name in identity.regions]
    if not allowed:
        raise KeyNotAllowed(
            403,
            "permission_denied",
            "No region of this API key is configured. Use a key with other regions.",
        )
    if not requested:
        return tuple(allowed)
    for name in requested:
        if name not in allowed:
            raise KeyNotAllowed(
                403,
                "permission_denied",
                f"This API key does not allow the region {name!r:.100}. Allowed: {', '.join(allowed)}.",
                param="regions",
            )
    return tuple(dict.fromkeys(requested))


def _resolved(names: Iterable[str], resolve: Resolve) -> Iterable[ResolvedName]:
    """Yield the models of the names that are known."""
    for name in names:
        try:
            yield resolve(name)
        except ConfigurationError:
            continue


def _common(first: Iterable[ResolvedName], second: Sequence[ResolvedName]) -> Iterable[ResolvedName]:
    """Yield the common part of each pair of models that have one, in the order of `first`."""
    for one in first:
        for other in second:
            if one.model_id != other.model_id or _is_resource(one) != _is_resource(other):
                continue
            if one.pinned_invoke_id is None or one.pinned_invoke_id == other.pinned_invoke_id:
                # A name of all access methods leaves the choice to the other name.
                yield one if other.pinned_invoke_id is None else other
            elif other.pinned_invoke_id is None:
                yield one


def _is_resource(name: ResolvedName) -> bool:
    """Whether a name is the ARN of a resource of the account, which only its own ARN allows."""
    return (name.pinned_invoke_id or "").startswith("arn:")
