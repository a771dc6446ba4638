"""ListFoundationModels, ListInferenceProfiles and their Get counterparts."""

from __future__ import annotations

from typing import Any

import pytest

from llmmanager.testing import FakeBedrock, FakeCatalog, FakeModel, Fault


@pytest.fixture
def control(bedrock: FakeBedrock) -> Any:
    return bedrock.client("bedrock")


def ids(answer: Any) -> list[str]:
    return [summary["modelId"] for summary in answer["modelSummaries"]]


def test_a_region_lists_its_models_without_retired_ones(bedrock: FakeBedrock, control: Any) -> None:
    assert ids(bedrock.client("bedrock", region="eu-west-1").list_foundation_models()) == ["acme.talk-v1:0"]
    here = ids(control.list_foundation_models())
    assert "acme.profiled" in here
    assert "acme.gone" not in here
    assert ids(bedrock.client("bedrock", region="sa-east-1").list_foundation_models()) == []


def test_a_model_is_described_as_aws_does(control: Any) -> None:
    summary = next(
        m for m in control.list_foundation_models()["modelSummaries"] if m["modelId"].startswith("acme.talk")
    )
    assert summary == {
        "modelArn": "arn:aws:bedrock:us-east-1::foundation-model/acme.talk-v1:0",
        "modelId": "acme.talk-v1:0",
        "modelName": "Talk",
        "providerName": "Acme",
        "inputModalities": ["TEXT", "IMAGE", "VIDEO", "AUDIO"],
        "outputModalities": ["TEXT"],
        "responseStreamingSupported": True,
        "customizationsSupported": [],
        "inferenceTypesSupported": ["ON_DEMAND", "INFERENCE_PROFILE"],
        "modelLifecycle": {"status": "ACTIVE"},
    }
    assert control.get_foundation_model(modelIdentifier="acme.talk-v1:0")["modelDetails"] == summary
    assert control.get_foundation_model(modelIdentifier=summary["modelArn"])["modelDetails"] == summary


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"byOutputModality": "EMBEDDING"}, ["acme.embed"]),
        ({"byProvider": "anthropic"}, ["anthropic.narrow"]),
        ({"byProvider": "Acme", "byOutputModality": "EMBEDDING"}, ["acme.embed"]),
        ({"byInferenceType": "PROVISIONED"}, []),
        ({"byCustomizationType": "FINE_TUNING"}, []),
    ],
)
def test_models_are_filtered(control: Any, query: Any, expected: list[str]) -> None:
    assert ids(control.list_foundation_models(**query)) == expected


def test_the_on_demand_filter_excludes_models_that_require_a_profile(control: Any) -> None:
    assert "acme.profiled" not in ids(control.list_foundation_models(byInferenceType="ON_DEMAND"))


def test_customizations_and_the_end_of_life_are_listed() -> None:
    model = FakeModel(
        model_id="acme.old", on_demand=("us-east-1",), customizations=("FINE_TUNING",), eol_date="2027-01-01"
    )
    with FakeBedrock(FakeCatalog(model)) as bedrock:
        (summary,) = bedrock.client("bedrock").list_foundation_models(byCustomizationType="FINE_TUNING")[
            "modelSummaries"
        ]
    assert summary["modelLifecycle"]["endOfLifeTime"].year == 2027


def test_profiles_contain_the_arns_of_their_models(bedrock: FakeBedrock, control: Any) -> None:
    profile = control.get_inference_profile(inferenceProfileIdentifier="us.acme.talk-v1:0")
    assert profile["inferenceProfileArn"] == (
        "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.acme.talk-v1:0"
    )
    assert [model["modelArn"] for model in profile["models"]] == [
        "arn:aws:bedrock:us-east-1::foundation-model/acme.talk-v1:0",
        "arn:aws:bedrock:us-west-2::foundation-model/acme.talk-v1:0",
    ]
    assert (profile["status"], profile["type"]) == ("ACTIVE", "SYSTEM_DEFINED")
    again = control.get_inference_profile(inferenceProfileIdentifier=profile["inferenceProfileArn"])
    assert again["inferenceProfileId"] == "us.acme.talk-v1:0"


def test_a_global_profile_contains_an_arn_with_and_one_without_its_region(bedrock: FakeBedrock) -> None:
    control = bedrock.client("bedrock", region="eu-west-1")
    profile = control.get_inference_profile(inferenceProfileIdentifier="global.acme.talk-v1:0")
    assert [model["modelArn"] for model in profile["models"]] == [
        "arn:aws:bedrock:eu-west-1::foundation-model/acme.talk-v1:0",
        "arn:aws:bedrock:::foundation-model/acme.talk-v1:0",
    ]


def test_profiles_are_those_of_the_region(bedrock: FakeBedrock, control: Any) -> None:
    def listed(client: Any) -> list[str]:
        return [
            one["inferenceProfileId"] for one in client.list_inference_profiles()["inferenceProfileSummaries"]
        ]

    assert listed(control) == ["global.acme.talk-v1:0", "us.acme.profiled", "us.acme.talk-v1:0"]
    assert listed(bedrock.client("bedrock", region="eu-west-1")) == [
        "eu.acme.talk-v1:0",
        "global.acme.talk-v1:0",
    ]


@pytest.mark.parametrize("page_size", [1, 2, 3, 1000])
def test_all_pages_together_contain_every_profile_once(control: Any, page_size: int) -> None:
    pages = list(
        control.get_paginator("list_inference_profiles").paginate(PaginationConfig={"PageSize": page_size})
    )
    found = [one["inferenceProfileId"] for page in pages for one in page["inferenceProfileSummaries"]]
    assert found == ["global.acme.talk-v1:0", "us.acme.profiled", "us.acme.talk-v1:0"]
    assert len(pages) == -(-3 // page_size)
    assert "nextToken" not in pages[-1]


def test_a_small_page_size_requires_pagination(catalog: FakeCatalog) -> None:
    with FakeBedrock(catalog, page_size=2) as bedrock:
        first = bedrock.client("bedrock").list_inference_profiles()
        rest = bedrock.client("bedrock").list_inference_profiles(nextToken=first["nextToken"])
    assert [len(page["inferenceProfileSummaries"]) for page in (first, rest)] == [2, 1]


def test_an_application_profile_has_the_models_of_what_it_copies(fake_bedrock: FakeBedrock) -> None:
    arns = {
        kind: f"arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/{kind}"
        for kind in ("copy-of-a-model", "copy-of-global", "copy-of-us", "not-added")
    }
    haiku = "anthropic.claude-haiku-4-5-20251001-v1:0"
    fake_bedrock.add_resource(arns["copy-of-a-model"], model="amazon.nova-lite-v1:0")
    fake_bedrock.add_resource(arns["copy-of-global"], model=f"global.{haiku}")
    fake_bedrock.add_resource(arns["copy-of-us"], model=f"us.{haiku}")
    control = fake_bedrock.client("bedrock")

    def models(identifier: str) -> list[str]:
        answer = control.get_inference_profile(inferenceProfileIdentifier=identifier)
        assert answer["type"] == "APPLICATION"
        return [model["modelArn"].split("bedrock:")[1] for model in answer["models"]]

    assert models(arns["copy-of-a-model"]) == ["us-east-1::foundation-model/amazon.nova-lite-v1:0"]
    assert models("copy-of-global") == [f"us-east-1::foundation-model/{haiku}", f"::foundation-model/{haiku}"]
    assert {arn.split(":")[0] for arn in models(arns["copy-of-us"])} > {"us-east-1", "us-west-2"}
    assert models(arns["not-added"]) == models(arns["copy-of-a-model"])
    listed = control.list_inference_profiles(typeEquals="APPLICATION")["inferenceProfileSummaries"]
    assert [profile["inferenceProfileArn"] for profile in listed] == [
        arns[kind] for kind in ("copy-of-a-model", "copy-of-global", "copy-of-us")
    ]
    elsewhere = fake_bedrock.client("bedrock", region="us-west-2")
    with pytest.raises(elsewhere.exceptions.ResourceNotFoundException):
        elsewhere.get_inference_profile(inferenceProfileIdentifier=arns["copy-of-us"])


def test_profiles_are_filtered_by_type(control: Any) -> None:
    assert control.list_inference_profiles(typeEquals="APPLICATION")["inferenceProfileSummaries"] == []
    assert len(control.list_inference_profiles(typeEquals="SYSTEM_DEFINED")["inferenceProfileSummaries"]) == 3


@pytest.mark.parametrize(
    ("operation", "arguments", "expected"),
    [
        ("list_inference_profiles", {"nextToken": "bm9uc2Vuc2U="}, ("ValidationException", 400)),
        ("list_inference_profiles", {"nextToken": "\u00e9"}, ("ValidationException", 400)),
        ("list_inference_profiles", {"maxResults": 1001}, ("ValidationException", 400)),
        ("list_inference_profiles", {"typeEquals": "OTHER"}, ("ValidationException", 400)),
        ("get_foundation_model", {"modelIdentifier": "acme.none"}, ("ResourceNotFoundException", 404)),
        (
            "get_inference_profile",
            {"inferenceProfileIdentifier": "us.none"},
            ("ResourceNotFoundException", 404),
        ),
    ],
)
def test_unknown_models_and_profiles_are_not_found(
    control: Any, error_of: Any, operation: str, arguments: Any, expected: tuple[str, int]
) -> None:
    assert error_of(getattr(control, operation), **arguments)[:2] == expected


def test_a_fault_can_apply_to_the_list_operations_of_one_region(
    bedrock: FakeBedrock, control: Any, error_of: Any
) -> None:
    bedrock.add_fault(
        Fault(error="ServiceUnavailableException", operation="ListFoundationModels", region="us-east-1")
    )
    assert error_of(control.list_foundation_models)[:2] == ("ServiceUnavailableException", 503)
    control.list_inference_profiles()
    bedrock.client("bedrock", region="us-west-2").list_foundation_models()


def test_the_bundled_catalog_lists_the_models_of_the_package() -> None:
    with FakeBedrock() as bedrock:
        control = bedrock.client("bedrock")
        models = control.list_foundation_models()["modelSummaries"]
        pages = control.get_paginator("list_inference_profiles").paginate(PaginationConfig={"PageSize": 20})
        profiles = [one for page in pages for one in page["inferenceProfileSummaries"]]
    names = {model["modelId"]: model["modelName"] for model in models}
    assert names["amazon.nova-micro-v1:0"] == "Nova Micro"
    assert len(models) > 50
    assert len({profile["inferenceProfileId"] for profile in profiles}) == len(profiles) > 50
    assert all(profile["models"] for profile in profiles)
