"""The team that pays for a request whose caller does not have an API key."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from lambdas.shared.settings import team_callers
from lambdas.usage.caller import UNKNOWN, Caller
from llmmanager.json_format.codec import InvalidRequest

TEAM: Final = "team"
"""The field of a request with the name of its team."""


def with_team(caller: Caller, team: Any) -> Caller:
    """Return the caller of a request with the team in its field `team`; None for no team.

    A caller without an identity may name any team, because the policy of the queue or the bus accepted it.

    Raises:
        InvalidRequest: the name is invalid, or the setting `team_callers` does not allow the caller to name a
            team.
    """
    if team is None:
        return caller
    # Imported here, to keep cold starts of requests without a team short.
    from lambdas.api_keys.key_request import NAME_RULE, is_name

    if not isinstance(team, str) or not is_name(team):
        raise InvalidRequest([f"{TEAM}: must be {NAME_RULE}"])
    if caller.id != UNKNOWN and not any(_matches(caller.id, pattern) for pattern in team_callers()):
        raise InvalidRequest([f"{TEAM}: the setting team_callers does not allow {caller.id} to name a team"])
    return replace(caller, team=team)


def _matches(arn: str, pattern: str) -> bool:
    return arn.startswith(pattern[:-1]) if pattern.endswith("*") else arn == pattern
