"""The models and regions that a key allows, with the library's own resolution of names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.api_keys.allowed_targets import AllowedTargets, KeyNotAllowed, allowed_targets
from lambdas.api_keys.api_key import KeyIdentity
from llmmanager.bedrock.catalog.catalog_entries import AccessMethod, ApplicationProfile, Catalog
from llmmanager.bedrock.catalog.names import NameResolver
from llmmanager.bedrock.catalog.snapshot import load_snapshot

NOW = datetime(2026, 11, 30, tzinfo=UTC)
CONFIGURED = AllowedTargets(("Nova Lite", "Nova Micro", "Claude Haiku 4.5"), ("us-east-1", "eu-central-1"))
HAIKU = "anthropic.claude-haiku-4-5-20251001-v1:0"
RESOLVER = NameResolver(Catalog(load_snapshot()))


def allowed(
    *,
    models: Sequence[str] | None = None,
    regions: Sequence[str] | None = None,
    key_models: tuple[str, ...] | None = None,
    key_regions: tuple[str, ...] | None = None,
    configured: AllowedTargets = CONFIGURED,
    expires: datetime | None = None,
    resolver: NameResolver = RESOLVER,
) -> AllowedTargets:
    identity = KeyIdentity(
        key_id="k", owner="ada", team="search", models=key_models, regions=key_regions, expires=expires
    )
    return allowed_targets(
        identity,
        models=models,
        regions=regions,
        configured=configured,
        resolve=resolver.resolve,
        now=NOW,
    )


def rejected(**arguments: Any) -> KeyNotAllowed:
    with pytest.raises(KeyNotAllowed) as raised:
        allowed(**arguments)
    return raised.value


def test_a_key_without_restrictions_allows_all_that_is_configured() -> None:
    assert allowed() == CONFIGURED
    assert allowed(models=[], regions=[]) == CONFIGURED


def test_a_request_without_models_gets_those_of_the_key_in_the_order_of_the_settings() -> None:
    found = allowed(key_models=("Claude Haiku 4.5", "Nova Lite"), key_regions=("eu-central-1",))

    assert found == AllowedTargets(("Nova Lite", "Claude Haiku 4.5"), ("eu-central-1",))


@pytest.mark.parametrize("requested", ["Nova Lite", "nova-lite", "amazon.nova-lite-v1:0", "amazon.nova-lite"])
@pytest.mark.parametrize("in_key", ["Nova Lite", "nova lite", "amazon.nova-lite-v1:0"])
def test_a_model_may_have_different_names_in_request_key_and_settings(requested: str, in_key: str) -> None:
    assert allowed(models=[requested], key_models=(in_key,)).models == ("Nova Lite",)


@pytest.mark.parametrize("requested", ["Nova Micro", "Nova Pro", "gpt-4o", "", "us.amazon.nova-micro-v1:0"])
def test_a_model_that_the_key_does_not_allow_is_not_found(requested: str) -> None:
    error = rejected(models=["Nova Lite", requested], key_models=("Nova Lite",))

    assert (error.status, error.code, error.param) == (404, "model_not_found", "model")
    assert repr(requested) in error.message
    assert "Allowed models: Nova Lite." in error.message


ARN = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3"


@pytest.mark.parametrize(
    ("requested", "in_key", "configured", "found"),
    [
        (ARN, ARN, (ARN,), (ARN,)),
        (ARN, "Nova Lite", (ARN, "Nova Lite"), None),
        ("Nova Lite", ARN, (ARN, "Nova Lite"), None),
        (ARN, ARN, ("Nova Micro", "Nova Lite"), None),
        (None, ARN, ("Nova Lite", ARN), (ARN,)),
        (None, "Nova Lite", ("Nova Lite", ARN), ("Nova Lite",)),
    ],
)
def test_an_application_inference_profile_is_not_the_same_as_its_model(
    requested: str | None, in_key: str, configured: tuple[str, ...], found: tuple[str, ...] | None
) -> None:
    """A profile is paid for by another cost center than its model."""
    profile = ApplicationProfile(ARN, "amazon.nova-lite-v1:0", AccessMethod.ON_DEMAND)
    region = replace(load_snapshot()["us-east-1"], application_profiles={ARN: profile})
    resolver = NameResolver(Catalog(load_snapshot(), {"us-east-1": region}))
    arguments: Any = {
        "models": [requested] if requested else None,
        "key_models": (in_key,),
        "configured": AllowedTargets(configured, ("us-east-1",)),
        "resolver": resolver,
    }
    if found is None:
        assert rejected(**arguments).status in (403, 404)
    else:
        assert allowed(**arguments).models == found


def test_a_model_that_is_not_configured_is_not_found_although_the_key_names_it() -> None:
    assert rejected(models=["Nova Pro"], key_models=("Nova Pro", "Nova Lite")).status == 404


def test_the_requested_order_is_kept_without_duplicates() -> None:
    found = allowed(
        models=["Claude Haiku 4.5", "nova lite", HAIKU], regions=["eu-central-1", "us-east-1", "eu-central-1"]
    )

    assert found == AllowedTargets(("Claude Haiku 4.5", "Nova Lite"), ("eu-central-1", "us-east-1"))


@pytest.mark.parametrize(
    ("in_settings", "in_key", "requested", "models"),
    [
        # The profile limits where data goes, so the narrowest of the names counts.
        ("Claude Haiku 4.5", "Claude Haiku 4.5", f"eu.{HAIKU}", (f"eu.{HAIKU}",)),
        ("Claude Haiku 4.5", f"eu.{HAIKU}", "Claude Haiku 4.5", (f"eu.{HAIKU}",)),
        (f"eu.{HAIKU}", "Claude Haiku 4.5", "Claude Haiku 4.5", (f"eu.{HAIKU}",)),
        (f"eu.{HAIKU}", f"eu.{HAIKU}", f"eu.{HAIKU}", (f"eu.{HAIKU}",)),
        ("Claude Haiku 4.5", f"eu.{HAIKU}", f"global.{HAIKU}", ()),
        (f"eu.{HAIKU}", "Claude Haiku 4.5", f"global.{HAIKU}", ()),
        (f"eu.{HAIKU}", f"global.{HAIKU}", "Claude Haiku 4.5", ()),
    ],
)
def test_an_inference_profile_in_request_key_or_settings_excludes_other_profiles(
    in_settings: str, in_key: str, requested: str, models: tuple[str, ...]
) -> None:
    configured = AllowedTargets((in_settings,), ("eu-central-1",))

    if models:
        assert allowed(models=[requested], key_models=(in_key,), configured=configured).models == models
    else:
        assert rejected(models=[requested], key_models=(in_key,), configured=configured).status in (403, 404)


def test_a_key_with_two_profiles_of_a_model_allows_both() -> None:
    found = allowed(models=["Claude Haiku 4.5"], key_models=(f"eu.{HAIKU}", f"us.{HAIKU}"))

    assert found.models == (f"eu.{HAIKU}", f"us.{HAIKU}")


def test_a_region_that_the_key_does_not_allow_is_forbidden() -> None:
    error = rejected(regions=["us-east-1"], key_regions=("eu-central-1",))

    assert (error.status, error.code, error.param) == (403, "permission_denied", "regions")
    assert "'us-east-1'. Allowed: eu-central-1." in error.message
    assert rejected(regions=["us-west-2"]).status == 403


@pytest.mark.parametrize(
    "restriction",
    [
        {"key_models": ("Nova Pro",)},
        {"key_models": ("a model of the past",)},
        {"key_regions": ("us-west-2",)},
    ],
)
def test_a_key_for_nothing_that_is_configured_is_forbidden(restriction: dict[str, Any]) -> None:
    error = rejected(**restriction)

    assert (error.status, error.code, error.param) == (403, "permission_denied", None)


def test_a_key_that_expired_after_the_authorizer_cached_it_is_rejected() -> None:
    error = rejected(expires=NOW)

    assert (error.status, error.code) == (401, "invalid_api_key")
    assert allowed(expires=NOW + timedelta(seconds=1)) == CONFIGURED


names = st.sampled_from(
    [
        "Nova Lite",
        "nova-micro",
        "amazon.nova-micro-v1:0",
        "Claude Haiku 4.5",
        f"eu.{HAIKU}",
        f"us.{HAIKU}",
        "?",
    ]
)
lists = st.none() | st.lists(names, min_size=1, max_size=4)


@given(lists, lists)
def test_a_request_never_gets_more_than_its_key_and_the_settings_allow(
    requested: list[str] | None, in_key: list[str] | None
) -> None:
    key_models = None if in_key is None else tuple(in_key)
    try:
        found = allowed(models=requested, key_models=key_models).models
    except KeyNotAllowed:
        return

    assert found
    for limit in (requested, in_key, CONFIGURED.models):
        if limit is not None:
            known = [RESOLVER.resolve(name) for name in limit if name != "?"]
            for model in map(RESOLVER.resolve, found):
                assert any(
                    model.model_id == other.model_id
                    and other.pinned_invoke_id in (None, model.pinned_invoke_id)
                    for other in known
                )
