"""Keys, their identities, and the context in which API Gateway passes an identity on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.api_keys.api_key import ApiKey, KeyIdentity

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def identity(**changes: Any) -> KeyIdentity:
    given = {
        "key_id": "k",
        "owner": "ada",
        "team": "search",
        "models": None,
        "regions": None,
        "expires": None,
    }
    return KeyIdentity(**{**given, **changes})


def key(*, expires: datetime | None = None, revoked: datetime | None = None) -> ApiKey:
    return ApiKey(
        identity=identity(expires=expires), digest="d", created=NOW, created_by="arn", revoked=revoked
    )


@pytest.mark.parametrize(
    ("expires", "revoked", "status"),
    [
        (None, None, "active"),
        (NOW + HOUR, None, "active"),
        (NOW, None, "expired"),
        (NOW - HOUR, None, "expired"),
        (None, NOW, "revoked"),
        (NOW - HOUR, NOW, "revoked"),
    ],
)
def test_a_key_is_active_until_it_expires_or_is_revoked(
    expires: datetime | None, revoked: datetime | None, status: str
) -> None:
    assert key(expires=expires, revoked=revoked).status(NOW) == status


texts = st.text(min_size=1)
restrictions = st.none() | st.lists(texts, min_size=1).map(tuple)
milliseconds = st.datetimes(
    datetime(2000, 1, 1), datetime(9000, 1, 1), timezones=st.sampled_from([UTC, timezone(HOUR)])
).map(lambda time: time.replace(microsecond=time.microsecond // 1000 * 1000))
identities = st.builds(
    KeyIdentity,
    key_id=texts,
    owner=texts,
    team=texts,
    models=restrictions,
    regions=restrictions,
    expires=st.none() | milliseconds,
)


@given(identities)
def test_an_identity_survives_the_context_of_api_gateway(given: KeyIdentity) -> None:
    context = given.to_context()

    assert all(isinstance(value, str) for value in context.values())
    passed_on = {"principalId": given.key_id, "integrationLatency": 12, **context}
    assert KeyIdentity.from_authorizer(passed_on) == given


CONTEXT = {"principalId": "k", **identity().to_context()}


@pytest.mark.parametrize("name", CONTEXT)
def test_a_context_without_one_of_its_values_is_invalid(name: str) -> None:
    incomplete = {key: value for key, value in CONTEXT.items() if key != name}

    with pytest.raises(ValueError, match="incomplete or invalid"):
        KeyIdentity.from_authorizer(incomplete)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("principalId", ""),
        ("owner", ""),
        ("team", None),
        ("models", ""),
        ("models", "Nova Lite"),
        ("models", "[]"),
        ("models", "[1]"),
        ("regions", "{}"),
        ("regions", None),
        ("expires", None),
        ("expires", "never"),
    ],
)
def test_an_invalid_value_in_a_context_does_not_count_as_no_restriction(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=r"incomplete or invalid|Expecting value|not an ISO 8601 time"):
        KeyIdentity.from_authorizer({**CONTEXT, name: value})
