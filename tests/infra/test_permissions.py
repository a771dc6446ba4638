"""The IAM statements for Bedrock, compared with cases derived by hand from the bundled data."""

from __future__ import annotations

import json

import pytest

from infra.model_jobs import create_job_statement
from infra.permissions import (
    MAX_POLICIES,
    MAX_POLICY_CHARACTERS,
    Statement,
    TooManyPermissionsError,
    invoke_statements,
    pack,
    policy_characters,
)
from infra.settings import DeploymentSettings
from llmmanager.bedrock.catalog.catalog_entries import Catalog
from llmmanager.bedrock.catalog.snapshot import load_snapshot

HAIKU = "anthropic.claude-haiku-4-5-20251001-v1:0"
PROFILE = "bedrock:InferenceProfileArn"
REGION = "aws:RequestedRegion"


def model(model_id: str, *regions: str) -> tuple[str, ...]:
    return tuple(f"arn:${{AWS::Partition}}:bedrock:{r}::foundation-model/{model_id}" for r in regions)


def profile(profile_id: str, *regions: str) -> tuple[str, ...]:
    start = "arn:${AWS::Partition}:bedrock"
    return tuple(f"{start}:{r}:${{AWS::AccountId}}:inference-profile/{profile_id}" for r in regions)


def statements(models: list[str], regions: list[str]) -> list[Statement]:
    settings = DeploymentSettings.from_context({"models": models, "regions": regions})
    return invoke_statements(settings.models, settings.regions, catalog=Catalog(load_snapshot()))


def test_an_on_demand_model_is_allowed_in_its_region() -> None:
    # eu-west-2 has Nova Micro on demand only.
    assert statements(["Nova Micro"], ["eu-west-2"]) == [
        Statement(model("amazon.nova-micro-v1:0", "eu-west-2"))
    ]


def test_the_destinations_of_a_geographic_profile_are_allowed_only_through_it() -> None:
    # ca-central-1 has Nova Lite only through the Canadian profile, which routes to both Canadian regions.
    called = profile("ca.amazon.nova-lite-v1:0", "ca-central-1")
    assert statements(["Nova Lite"], ["ca-central-1"]) == [
        Statement(called),
        Statement(model("amazon.nova-lite-v1:0", "ca-central-1", "ca-west-1"), {PROFILE: called}),
    ]


def test_destinations_depend_on_the_called_region() -> None:
    # From us-west-1 the profile routes to us-west-1 too; from us-east-1 it does not.
    from_west = statements([f"us.{HAIKU}"], ["us-west-1"])[1]
    from_east = statements([f"us.{HAIKU}"], ["us-east-1"])[1]
    assert from_west.resources == model(HAIKU, "us-east-1", "us-east-2", "us-west-1", "us-west-2")
    assert from_east.resources == model(HAIKU, "us-east-1", "us-east-2", "us-west-2")


def test_the_called_region_is_allowed_even_if_the_profile_does_not_route_to_it() -> None:
    # From ca-west-1 the profile of GPT-5.5 routes to two regions of the United States.
    reached = statements(["us.openai.gpt-5.5"], ["ca-west-1"])[1]
    assert reached.resources == model("openai.gpt-5.5", "ca-west-1", "us-east-1", "us-east-2")


def test_a_global_profile_is_allowed_at_its_source_and_without_a_region() -> None:
    # af-south-1 has Haiku 4.5 only through the global profile.
    called = profile(f"global.{HAIKU}", "af-south-1")
    assert statements(["Claude Haiku 4.5"], ["af-south-1"]) == [
        Statement(called),
        Statement(model(HAIKU, "af-south-1"), {REGION: ("af-south-1",), PROFILE: called}),
        Statement(model(HAIKU, ""), {REGION: ("unspecified",), PROFILE: called}),
    ]


def test_all_access_methods_of_a_model_in_a_region_are_allowed() -> None:
    geographic = profile(f"eu.{HAIKU}", "eu-central-1")
    global_ = profile(f"global.{HAIKU}", "eu-central-1")
    europe = ("eu-central-1", "eu-north-1", "eu-south-1", "eu-south-2", "eu-west-1", "eu-west-3")
    assert statements(["Claude Haiku 4.5"], ["eu-central-1"]) == [
        Statement(geographic + global_),
        Statement(model(HAIKU, *europe), {PROFILE: geographic}),
        Statement(model(HAIKU, "eu-central-1"), {REGION: ("eu-central-1",), PROFILE: global_}),
        Statement(model(HAIKU, ""), {REGION: ("unspecified",), PROFILE: global_}),
    ]


def test_a_profile_called_from_two_regions_has_one_statement_for_its_model() -> None:
    called = profile("us.amazon.nova-micro-v1:0", "us-east-2", "us-west-2")
    assert statements(["Nova Micro"], ["us-east-2", "us-west-2"]) == [
        Statement(called),
        Statement(model("amazon.nova-micro-v1:0", "us-east-1", "us-east-2", "us-west-2"), {PROFILE: called}),
    ]


def test_only_a_configured_profile_is_allowed() -> None:
    # us-east-1 has Nova Lite on demand as well.
    called = profile("us.amazon.nova-lite-v1:0", "us-east-1")
    assert statements(["us.amazon.nova-lite-v1:0"], ["us-east-1"]) == [
        Statement(called),
        Statement(model("amazon.nova-lite-v1:0", "us-east-1", "us-east-2", "us-west-2"), {PROFILE: called}),
    ]


def test_a_model_configured_twice_is_allowed_once() -> None:
    assert statements(["Nova Micro", "amazon.nova-micro-v1:0"], ["eu-west-2"]) == statements(
        ["Nova Micro"], ["eu-west-2"]
    )


def test_an_unknown_model_id_is_allowed_in_every_region() -> None:
    assert statements(["newvendor.new-v1:0"], ["us-east-1", "eu-west-1"]) == [
        Statement(model("newvendor.new-v1:0", "us-east-1", "eu-west-1"))
    ]


def test_an_unknown_profile_allows_its_model_in_every_region() -> None:
    called = profile("uk.newvendor.new-v1:0", "eu-west-2")
    assert statements(["uk.newvendor.new-v1:0"], ["eu-west-2"]) == [
        Statement(called),
        Statement(model("newvendor.new-v1:0", "*"), {PROFILE: called}),
    ]


def test_an_unknown_profile_of_a_known_model_allows_only_that_model() -> None:
    called = profile(f"uk.{HAIKU}", "eu-west-2")
    assert statements([f"uk.{HAIKU}"], ["eu-west-2"]) == [
        Statement(called),
        Statement(model(HAIKU, "*"), {PROFILE: called}),
    ]


def test_an_application_profile_is_allowed_and_models_only_through_it() -> None:
    arn = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3"
    assert statements([arn], ["us-east-1"]) == [
        Statement((arn,)),
        Statement(model("*", "*"), {PROFILE: (arn,)}),
        Statement((arn,), actions=("bedrock:GetInferenceProfile",)),
    ]


def test_any_other_arn_is_allowed_unchanged() -> None:
    arn = "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/a1b2c3"
    assert statements([arn], ["us-east-1"]) == [Statement((arn,))]


def test_a_model_that_is_not_on_demand_is_allowed_only_through_its_profile() -> None:
    catalog = Catalog(load_snapshot())
    for statement in statements(["Claude Haiku 4.5", "Nova Lite"], list(load_snapshot())[:20]):
        for arn in statement.resources:
            region, model_id = arn.split(":")[5], arn.partition("/")[2]
            if PROFILE not in statement.conditions and ":foundation-model/" in arn:
                assert catalog.access(model_id, region)[0].inference_profile_id is None


def test_a_statement_has_the_json_format_of_iam() -> None:
    assert Statement(("arn:a",), {REGION: ("us-east-1",)}).to_dict() == {
        "Effect": "Allow",
        "Action": ["bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"],
        "Resource": ["arn:a"],
        "Condition": {"StringEquals": {"aws:RequestedRegion": ["us-east-1"]}},
    }
    assert "Condition" not in Statement(("arn:a",)).to_dict()


SIX_MODELS = [
    "Nova Lite",
    "Nova Micro",
    "Nova Pro",
    "Claude Haiku 4.5",
    "Claude Sonnet 4.5",
    "Claude Sonnet 4.6",
]
SIX_REGIONS = ["us-east-1", "us-east-2", "us-west-2", "eu-central-1", "eu-west-1", "ap-northeast-1"]


@pytest.mark.parametrize(
    ("models", "regions"),
    [
        (["Nova Lite"], ["us-east-1"]),
        (SIX_MODELS, SIX_REGIONS),
        (["Claude Haiku 4.5"], list(load_snapshot())),
        (SIX_MODELS[:2], list(load_snapshot())),
    ],
)
def test_policies_stay_below_the_limits_of_iam_and_allow_the_same(
    models: list[str], regions: list[str]
) -> None:
    whole = statements(models, regions)
    policies = pack(whole)
    assert len(policies) <= MAX_POLICIES
    for policy in policies:
        assert policy_characters(policy) <= MAX_POLICY_CHARACTERS
    assert allowed(whole) == allowed([statement for policy in policies for statement in policy])


def allowed(statements: list[Statement]) -> set[tuple[str, str]]:
    """Return every resource with its conditions."""
    return {
        (resource, json.dumps(statement.conditions, sort_keys=True))
        for statement in statements
        for resource in statement.resources
    }


def test_a_statement_longer_than_a_policy_is_split() -> None:
    resources = model("some.model-v1:0", *(f"us-east-{number}" for number in range(200)))
    policies = pack([Statement(resources)])
    assert len(policies) > 1
    assert [arn for policy in policies for statement in policy for arn in statement.resources] == [*resources]


def test_more_policies_than_a_role_can_have_are_rejected() -> None:
    with pytest.raises(TooManyPermissionsError, match="Configure fewer models or regions"):
        pack(statements(SIX_MODELS, list(load_snapshot())))


def test_the_length_of_a_policy_includes_the_longest_partition_and_an_account() -> None:
    measured = policy_characters([Statement(profile("us.a", "us-east-1"))])
    arn = "arn:aws-us-gov:bedrock:us-east-1:123456789012:inference-profile/us.a"
    assert measured == policy_characters([Statement((arn,))])


def test_jobs_are_created_with_the_models_and_profiles_of_the_catalog_in_the_region_of_the_stack() -> None:
    settings = DeploymentSettings.from_context(
        {
            "models": ["Claude Haiku 4.5", "eu.example.future-model-v1:0"],
            "regions": ["ca-west-1", "us-east-1"],
        }
    )
    statement = create_job_statement(settings.models, settings.regions, catalog=Catalog(load_snapshot()))
    own = "arn:${AWS::Partition}:bedrock:${AWS::Region}:${AWS::AccountId}"
    assert set(statement.resources) == {
        f"{own}:model-invocation-job/*",
        *model(HAIKU, "*"),
        *(f"{own}:inference-profile/{area}.{HAIKU}" for area in ("global", "us")),
    }
