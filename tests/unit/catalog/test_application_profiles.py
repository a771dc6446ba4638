"""Application inference profiles in the catalog: read from Bedrock's response, stored and merged."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from llmmanager.bedrock.catalog.application_profiles import read_profile
from llmmanager.bedrock.catalog.catalog_entries import (
    AccessMethod,
    ApplicationProfile,
    Catalog,
    RegionCatalog,
)
from llmmanager.bedrock.catalog.names import NameResolver, application_profile_region
from llmmanager.bedrock.catalog.snapshot import load_snapshot

ARN = "arn:aws:bedrock:us-west-2:123456789012:application-inference-profile/a1b2c3"
NOVA, HAIKU = "amazon.nova-lite-v1:0", "anthropic.claude-haiku-4-5-20251001-v1:0"
PROFILE = ApplicationProfile(ARN, NOVA, AccessMethod.GEOGRAPHIC_PROFILE, f"us.{NOVA}")


def described(model_id: str, *regions: str) -> dict[str, Any]:
    """Return a response of GetInferenceProfile."""
    return {"models": [{"modelArn": f"arn:aws:bedrock:{r}::foundation-model/{model_id}"} for r in regions]}


@pytest.mark.parametrize(
    ("answer", "method", "source"),
    [
        (described(NOVA, "us-west-2"), AccessMethod.ON_DEMAND, None),
        (described(NOVA, "us-east-1", "us-west-2"), AccessMethod.GEOGRAPHIC_PROFILE, f"us.{NOVA}"),
        (described(HAIKU, "us-west-2", ""), AccessMethod.GLOBAL_PROFILE, f"global.{HAIKU}"),
        (described(HAIKU, "us-east-1", "us-west-2"), AccessMethod.GEOGRAPHIC_PROFILE, f"us.{HAIKU}"),
        # The model is not available on demand, so one region is the only destination of a profile.
        (described(HAIKU, "us-west-2"), AccessMethod.GEOGRAPHIC_PROFILE, f"us.{HAIKU}"),
        (described("acme.new-v1:0", "us-west-2"), AccessMethod.ON_DEMAND, None),
        (described("acme.new-v1:0", "us-east-1"), AccessMethod.GEOGRAPHIC_PROFILE, None),
    ],
)
def test_the_access_method_follows_from_the_destinations(
    answer: Any, method: AccessMethod, source: str | None
) -> None:
    model_id = answer["models"][0]["modelArn"].rpartition("/")[2]
    expected = ApplicationProfile(ARN, model_id, method, source)
    assert read_profile(ARN, answer, load_snapshot()["us-west-2"]) == expected


def test_the_source_is_unknown_if_the_region_has_several_geographic_profiles(make_region: Any) -> None:
    offered = make_region("us-west-2", profiles={NOVA: (f"apac.{NOVA}", f"jp.{NOVA}")})
    found = read_profile(ARN, described(NOVA, "a", "b"), offered)
    assert found == ApplicationProfile(ARN, NOVA, AccessMethod.GEOGRAPHIC_PROFILE, None)


@pytest.mark.parametrize("answer", [{}, {"models": []}, described(NOVA, "a") | {"models": None}])
def test_a_profile_without_a_model_is_an_error(answer: Any) -> None:
    with pytest.raises(ValueError, match="0 models"):
        read_profile(ARN, answer, None)


def test_a_profile_with_several_models_is_an_error() -> None:
    models = described(NOVA, "a")["models"] + described(HAIKU, "a")["models"]
    with pytest.raises(ValueError, match=f"2 models .{NOVA}, {HAIKU}."):
        read_profile(ARN, {"models": models}, None)


def test_profiles_are_stored_with_their_region(make_region: Any) -> None:
    offered = replace(make_region("us-west-2", NOVA), application_profiles={ARN: PROFILE})
    assert RegionCatalog.from_json(offered.to_json()) == offered
    assert "application_profiles" not in make_region("us-west-2", NOVA).to_json()


def test_a_region_keeps_its_profiles_when_it_is_refreshed(make_region: Any) -> None:
    known = replace(make_region("us-west-2", NOVA, hour=1), application_profiles={ARN: PROFILE})
    refreshed = make_region("us-west-2", NOVA, HAIKU, hour=2)
    catalog = Catalog({}).merge([known]).merge([refreshed])
    assert catalog.application_profile(ARN) == PROFILE
    assert catalog.access(HAIKU, "us-west-2")
    assert catalog.application_profile(ARN.replace("us-west-2", "us-east-1")) is None
    assert catalog.application_profile("Nova Lite") is None


def test_a_known_profile_has_the_name_of_its_model() -> None:
    offered = replace(load_snapshot()["us-west-2"], application_profiles={ARN: PROFILE})
    resolved = NameResolver(Catalog(load_snapshot(), {"us-west-2": offered})).resolve(f" {ARN} ")
    assert (resolved.model_id, resolved.model_name) == (NOVA, "Nova Lite")
    assert (resolved.pinned_invoke_id, resolved.region, resolved.warnings) == (ARN, "us-west-2", ())
    assert resolved.application_profile == PROFILE
    assert (resolved.known, resolved.called_id) == (True, ARN)


@pytest.mark.parametrize(
    ("name", "region"),
    [
        (ARN, "us-west-2"),
        (ARN.replace("aws:", "aws-us-gov:", 1), "us-west-2"),
        (ARN.replace("application-", ""), None),
        ("arn:aws:bedrock::123456789012:application-inference-profile/a", None),
        ("Nova Lite", None),
        (f"us.{NOVA}", None),
    ],
)
def test_the_region_of_a_profile_is_in_its_arn(name: str, region: str | None) -> None:
    assert application_profile_region(name) == region
