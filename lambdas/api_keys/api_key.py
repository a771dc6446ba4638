"""An API key as it is stored, and the identity that a request with the key has."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from lambdas.shared.time_text import format_time, parse_time

KeyStatus = Literal["active", "expired", "revoked"]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyIdentity:
    """Who sends a request with a key, and what the key allows.

    Attributes:
        key_id: the public id of the key.
        owner: the person or program that has the key.
        team: the team that its usage is counted for.
        models: names or ids of the models that it may use; None for all configured models.
        regions: the regions that it may use; None for all configured regions.
        expires: when the key expires; None for never.
    """

    key_id: str
    owner: str
    team: str
    models: tuple[str, ...] | None
    regions: tuple[str, ...] | None
    expires: datetime | None

    def is_expired(self, now: datetime) -> bool:
        """Whether the key has expired at this time."""
        return self.expires is not None and self.expires <= now

    def to_context(self) -> dict[str, str]:
        """Return the context of an authorizer's result. API Gateway accepts no lists in it, only strings."""
        return {
            "owner": self.owner,
            "team": self.team,
            "models": json.dumps(self.models),
            "regions": json.dumps(self.regions),
            "expires": format_time(self.expires) if self.expires else "",
        }

    @classmethod
    def from_authorizer(cls, values: Mapping[str, Any]) -> KeyIdentity:
        """Return the identity in `requestContext.authorizer` of a proxy event.

        Raises:
            ValueError: the values are not from `to_context`. So a missing value does not allow everything.
        """
        try:
            return cls(
                key_id=_text(values["principalId"]),
                owner=_text(values["owner"]),
                team=_text(values["team"]),
                models=_names(json.loads(values["models"])),
                regions=_names(json.loads(values["regions"])),
                expires=parse_time(values["expires"]) if values["expires"] != "" else None,
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"the authorizer's context is incomplete or invalid: {error}") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key as it is stored, without its secret.

    Attributes:
        identity: id, owner, team, permissions and expiry.
        digest: the SHA-256 of the key's text.
        created: when it was created.
        created_by: the ARN of the IAM user or role that created it.
        revoked: when it was revoked; None if it was not.
        revoked_by: the ARN of the IAM user or role that revoked it.
    """

    identity: KeyIdentity
    digest: str = field(repr=False)
    created: datetime
    created_by: str
    revoked: datetime | None = None
    revoked_by: str | None = None

    def status(self, now: datetime) -> KeyStatus:
        """Return the status at this time."""
        if self.revoked is not None:
            return "revoked"
        return "expired" if self.identity.is_expired(now) else "active"


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError("expected a string")
    return value


def _names(value: object) -> tuple[str, ...] | None:
    if value is None:
        return None
    if not isinstance(value, list) or not value or not all(isinstance(name, str) for name in value):
        raise TypeError("expected a list of names or null")
    return tuple(value)
