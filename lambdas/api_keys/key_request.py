"""Validate the body of a request for a new API key."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

from lambdas.api_keys.allowed_targets import AllowedTargets, Resolve, is_configured
from lambdas.shared.time_text import parse_time
from llmmanager.json_format.codec import InvalidRequest

MAX_DAYS: Final = 3650
MAX_NAME: Final = 128
# API Gateway limits the size of an authorizer's result.
_MAX_LISTS: Final = 2000
# What Bedrock accepts in the metadata of a request, which names the owner.
_NAME: Final = re.compile(r"[A-Za-z0-9:_@$#=/+,.-]([A-Za-z0-9 :_@$#=/+,.-]*[A-Za-z0-9:_@$#=/+,.-])?")
NAME_RULE: Final = (
    f"1 to {MAX_NAME} letters (A to Z), digits, spaces or any of :_@$#=/+,.- "
    "without a space at the start or end"
)
"""The accepted names of owners and teams."""
MEMBERS: Final = ("owner", "team", "models", "regions", "expiresAt", "expiresInDays")

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRequest:
    """A valid request for a key. The fields are those of `KeyIdentity`."""

    owner: str
    team: str
    models: tuple[str, ...] | None
    regions: tuple[str, ...] | None
    expires: datetime | None


def read_key_request(
    body: Mapping[str, Any], *, configured: AllowedTargets, resolve: Resolve, now: datetime
) -> KeyRequest:
    """Return the request in a body.

    Args:
        configured: models and regions of the deployment, which a key can be restricted to.
        resolve: returns the model for a name.
        now: the time from which `expiresInDays` counts.

    Raises:
        InvalidRequest: the body is invalid; the error has all problems.
    """
    problems = [
        f"{key[:80]}: unknown field; known fields: {', '.join(MEMBERS)}" for key in body if key not in MEMBERS
    ]

    def read(name: str, check: Callable[[Any], _T]) -> _T | None:
        try:
            return check(body.get(name))
        except ValueError as error:
            problems.append(f"{name}: {error}")
            return None

    owner, team = read("owner", _name), read("team", _name)
    models = read("models", lambda value: _models(value, configured.models, resolve))
    regions = read("regions", lambda value: _regions(value, configured.regions))
    expires_at = read("expiresAt", lambda value: _expires_at(value, now))
    expires_in = read("expiresInDays", lambda value: _expires_in_days(value, now))
    if body.get("expiresAt") is not None and body.get("expiresInDays") is not None:
        problems.append("expiresAt, expiresInDays: only one of them is accepted")
    if len(json.dumps([models, regions])) > _MAX_LISTS:
        problems.append(f"models, regions: must have at most {_MAX_LISTS} characters of JSON in total")
    if problems or owner is None or team is None:
        raise InvalidRequest(problems)
    return KeyRequest(
        owner=owner, team=team, models=models, regions=regions, expires=expires_at or expires_in
    )


def is_name(text: str) -> bool:
    """Whether the text is accepted as the name of an owner or a team."""
    return len(text) <= MAX_NAME and _NAME.fullmatch(text) is not None


def _name(value: Any) -> str:
    if not isinstance(value, str) or not is_name(value):
        raise ValueError(f"must be {NAME_RULE}")
    return value


def _models(value: Any, configured: Sequence[str], resolve: Resolve) -> tuple[str, ...] | None:
    return _choose(value, configured, lambda name: is_configured(name, configured, resolve))


def _regions(value: Any, configured: Sequence[str]) -> tuple[str, ...] | None:
    return _choose(value, configured, lambda name: name in configured)


def _choose(
    value: Any, configured: Sequence[str], is_allowed: Callable[[str], bool]
) -> tuple[str, ...] | None:
    if value is None:
        return None
    if not isinstance(value, list) or not value or not all(isinstance(item, str) for item in value):
        raise ValueError(
            f"must be a list of at least one string; leave it out to allow all of {', '.join(configured)}"
        )
    names = tuple(dict.fromkeys(value))
    unknown = [f"{name!r:.100}" for name in names if not is_allowed(name)]
    if unknown:
        raise ValueError(
            f"not configured: {', '.join(unknown)}; configured: {', '.join(configured)}",
        )
    return names


def _expires_at(value: Any, now: datetime) -> datetime | None:
    if value is None:
        return None
    try:
        time = parse_time(value) if isinstance(value, str) else None
    except ValueError:
        time = None
    if time is None or time <= now:
        raise ValueError(
            "must be a future time in ISO 8601 with an offset from UTC, such as 2030-01-31T00:00:00Z"
        )
    return time


def _expires_in_days(value: Any, now: datetime) -> datetime | None:
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MAX_DAYS:
        raise ValueError(f"must be a whole number from 1 to {MAX_DAYS}")
    return now.astimezone(UTC) + timedelta(days=value)
