"""Bodies of requests for a new key."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from botocore.session import Session
from hypothesis import given
from hypothesis import strategies as st

from lambdas.api_keys.allowed_targets import AllowedTargets
from lambdas.api_keys.key_request import KeyRequest, read_key_request
from llmmanager.bedrock.catalog.catalog_entries import Catalog
from llmmanager.bedrock.catalog.names import NameResolver
from llmmanager.bedrock.catalog.snapshot import load_snapshot
from llmmanager.json_format.codec import InvalidRequest

NOW = datetime(2026, 11, 30, tzinfo=UTC)
CONFIGURED = AllowedTargets(("Nova Lite", "Nova Micro"), ("us-east-1", "eu-central-1"))
RESOLVER = NameResolver(Catalog(load_snapshot()))
VALID = {"owner": "ada@example.com", "team": "search"}


def read(body: dict[str, Any]) -> KeyRequest:
    return read_key_request(body, configured=CONFIGURED, resolve=RESOLVER.resolve, now=NOW)


def problems(body: dict[str, Any]) -> list[str]:
    with pytest.raises(InvalidRequest) as raised:
        read(body)
    return raised.value.reasons


def test_only_owner_and_team_are_required() -> None:
    request = read({**VALID, "models": None, "regions": None, "expiresAt": None, "expiresInDays": None})

    assert request == read(VALID)
    assert request == KeyRequest(
        owner="ada@example.com", team="search", models=None, regions=None, expires=None
    )


def test_models_and_regions_restrict_a_key() -> None:
    request = read(
        {**VALID, "models": ["nova-micro", "Nova Lite", "nova-micro"], "regions": ["eu-central-1"]}
    )

    assert (request.models, request.regions) == (("nova-micro", "Nova Lite"), ("eu-central-1",))


@pytest.mark.parametrize(
    ("expiry", "expires"),
    [
        ({"expiresInDays": 1}, NOW + timedelta(days=1)),
        ({"expiresInDays": 3650}, NOW + timedelta(days=3650)),
        ({"expiresAt": "2027-01-31T00:00:00Z"}, datetime(2027, 1, 31, tzinfo=UTC)),
        (
            {"expiresAt": "2027-01-31T01:00:00+01:00"},
            datetime(2027, 1, 31, 1, tzinfo=timezone(timedelta(hours=1))),
        ),
    ],
)
def test_a_key_expires_at_a_time_or_after_days(expiry: dict[str, Any], expires: datetime) -> None:
    assert read({**VALID, **expiry}).expires == expires


@pytest.mark.parametrize("field", ["owner", "team"])
@pytest.mark.parametrize("value", [None, "", " ", "a ", " a", 1, ["a"], "a" * 129, "ada\n", "Jörg", 'a"b'])
def test_an_invalid_name_is_rejected_with_the_accepted_characters(field: str, value: Any) -> None:
    (problem,) = problems({**VALID, field: value})

    assert problem.startswith(f"{field}: must be 1 to 128 letters (A to Z), digits, spaces or any of ")


@pytest.mark.parametrize("field", ["owner", "team"])
def test_a_missing_name_is_rejected(field: str) -> None:
    (problem,) = problems({name: value for name, value in VALID.items() if name != field})

    assert problem.startswith(f"{field}: must be")


@pytest.mark.parametrize(
    ("member", "problem"),
    [
        (
            {"models": []},
            "models: must be a list of at least one string; leave it out to allow all of Nova Lite",
        ),
        ({"models": "Nova Lite"}, "models: must be a list"),
        ({"models": ["Nova Lite", 1]}, "models: must be a list"),
        (
            {"models": ["Nova Pro", "gpt"]},
            "models: not configured: 'Nova Pro', 'gpt'; configured: Nova Lite, ",
        ),
        ({"models": [""]}, "models: not configured: ''"),
        ({"regions": []}, "regions: must be a list"),
        ({"regions": ["us-west-2"]}, "regions: not configured: 'us-west-2'; configured: us-east-1, "),
        ({"expiresInDays": 0}, "expiresInDays: must be a whole number from 1 to 3650"),
        ({"expiresInDays": 3651}, "expiresInDays: must be"),
        ({"expiresInDays": True}, "expiresInDays: must be"),
        ({"expiresInDays": 1.5}, "expiresInDays: must be"),
        ({"expiresInDays": "30"}, "expiresInDays: must be"),
        ({"expiresAt": "2027-01-31"}, "expiresAt: must be a future time in ISO 8601 with an offset from UTC"),
        ({"expiresAt": "2026-11-30T00:00:00Z"}, "expiresAt: must be a future time"),
        ({"expiresAt": "9999-12-31T23:59:59-12:00"}, "expiresAt: must be"),
        ({"expiresAt": 1_800_000_000}, "expiresAt: must be"),
        ({"expiresAt": "2027-01-31T00:00:00Z", "expiresInDays": 1}, "expiresAt, expiresInDays: only one"),
        ({"scopes": []}, "scopes: unknown field; known fields: owner, team, models, regions, expiresAt"),
    ],
)
def test_an_invalid_member_is_rejected_with_its_name_and_the_accepted_values(
    member: dict[str, Any], problem: str
) -> None:
    (found,) = problems({**VALID, **member})

    assert found.startswith(problem)


def test_all_problems_are_reported_at_once() -> None:
    found = problems({"models": [], "regions": ["mars"], "expiresInDays": 0, "x": 1})

    assert [problem.partition(":")[0] for problem in found] == [
        "x",
        "owner",
        "team",
        "models",
        "regions",
        "expiresInDays",
    ]


def test_lists_that_exceed_the_result_of_an_authorizer_are_rejected() -> None:
    models = ["Nova " + " " * n + "Lite" for n in range(100)]

    assert problems({**VALID, "models": models}) == [
        "models, regions: must have at most 2000 characters of JSON in total"
    ]


def test_every_accepted_name_is_valid_in_the_metadata_of_a_request_to_bedrock() -> None:
    metadata = Session().get_service_model("bedrock-runtime").shape_for("RequestMetadata")
    accepted = st.from_regex(rf"\A{metadata.value.metadata['pattern']}\Z")

    @given(accepted)
    def check(name: str) -> None:
        is_plain = name == name.strip(" ") and 1 <= len(name) <= 128 and name.isprintable()
        if is_plain:
            assert read({**VALID, "owner": name}).owner == name
        else:
            assert problems({**VALID, "owner": name})

    check()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=5,
)
MEMBERS = ["owner", "team", "models", "regions", "expiresAt", "expiresInDays"]


@given(st.dictionaries(st.sampled_from(MEMBERS) | st.text(), json_values))
def test_any_body_is_read_or_rejected_with_the_names_of_its_members(body: dict[str, Any]) -> None:
    found = read_or_reject(body)

    if isinstance(found, KeyRequest):
        assert (found.owner, found.team) == (body["owner"], body["team"])
    else:
        known = {*MEMBERS, *(name[:80] for name in body), "models, regions", "expiresAt, expiresInDays"}
        assert found
        assert all(any(reason.startswith(f"{name}: ") for name in known) for reason in found)


def read_or_reject(body: dict[str, Any]) -> KeyRequest | list[str]:
    try:
        return read(body)
    except InvalidRequest as error:
        return error.reasons
