"""Which callers can name the team that pays."""

from __future__ import annotations

import json

import pytest

from lambdas.usage.caller import Caller
from lambdas.usage.team import with_team
from llmmanager.json_format.codec import InvalidRequest

GATEWAY = Caller("arn:aws:sts::123456789012:assumed-role/gateway")


def test_by_default_every_caller_can_name_a_team(fresh_settings: None) -> None:
    assert with_team(GATEWAY, "search") == Caller(GATEWAY.id, "search")
    assert with_team(GATEWAY, None) == GATEWAY


@pytest.mark.parametrize("team", ["", " search", "a" * 129, "Bücher", 7, ["search"]])
def test_an_invalid_name_is_rejected(team: object, fresh_settings: None) -> None:
    with pytest.raises(InvalidRequest, match="team: must be 1 to 128 letters"):
        with_team(GATEWAY, team)


@pytest.mark.parametrize(
    ("pattern", "is_allowed"),
    [
        (GATEWAY.id, True),
        ("arn:aws:sts::123456789012:assumed-role/gate*", True),
        ("arn:aws:sts::123456789012:assumed-role/gate", False),
        ("arn:aws:iam::123456789012:user/ada", False),
    ],
)
def test_the_setting_restricts_who_can_name_a_team(
    environment: pytest.MonkeyPatch, pattern: str, is_allowed: bool
) -> None:
    environment.setenv("LLMMANAGER_TEAM_CALLERS", json.dumps([pattern]))
    if is_allowed:
        assert with_team(GATEWAY, "search").team == "search"
    else:
        with pytest.raises(InvalidRequest, match="team: the setting team_callers does not allow"):
            with_team(GATEWAY, "search")
    # The policy of its queue has accepted the message.
    assert with_team(Caller(), "search").team == "search"
