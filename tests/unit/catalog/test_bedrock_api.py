"""Answers of Bedrock's control plane that FakeBedrock does not give."""

from __future__ import annotations

import pytest

from llmmanager.bedrock.catalog.bedrock_api import BedrockCatalogSource

KNOWN = "amazon.nova-lite-v1:0"


def summary(model_id, **changes):
    return {
        "modelArn": f"arn:aws:bedrock:us-east-1::foundation-model/{model_id}",
        "modelId": model_id,
        **changes,
    }


def profile(profile_id, model_id):
    arn = f"arn:aws:bedrock:us-east-1:123456789012:inference-profile/{profile_id}"
    return {
        "inferenceProfileId": profile_id,
        "inferenceProfileArn": arn,
        "inferenceProfileName": profile_id,
        "status": "ACTIVE",
        "type": "SYSTEM_DEFINED",
        "models": [{"modelArn": f"arn:aws:bedrock:us-east-1::foundation-model/{model_id}"}],
    }


@pytest.fixture
def told(aws_credentials):
    """What the source makes of model summaries and profiles, checked against botocore's own shapes."""
    import boto3
    from botocore.stub import Stubber

    client = boto3.client("bedrock", region_name="us-east-1")

    def tell(models, profiles):
        with Stubber(client) as stubber:
            stubber.add_response("list_foundation_models", {"modelSummaries": models})
            stubber.add_response("list_inference_profiles", {"inferenceProfileSummaries": profiles})
            return BedrockCatalogSource(lambda *_: client).fetch_region("us-east-1").entries

    yield tell
    client.close()


def test_a_profile_of_a_known_model_that_is_not_listed_is_a_way_in(told):
    entries = told([], [profile(f"us.{KNOWN}", KNOWN)])
    assert entries[KNOWN].profiles == (f"us.{KNOWN}",)
    assert (entries[KNOWN].model_name, entries[KNOWN].provider) == ("Nova Lite", "Amazon")


def test_a_profile_of_a_model_of_which_nothing_is_known_is_not(told):
    assert told([], [profile("us.acme.embedder", "acme.embedder")]) == {}


def test_a_model_is_told_by_what_its_profile_names_and_not_by_the_profiles_id(told):
    entries = told(
        [summary(KNOWN, inputModalities=["TEXT"], outputModalities=["TEXT"])],
        [profile("us.other-name", KNOWN)],
    )
    assert entries[KNOWN].profiles == ("us.other-name",)


def test_a_summary_with_hardly_a_field_is_filled_from_what_is_known(told):
    entries = told([summary(KNOWN, inferenceTypesSupported=["ON_DEMAND"])], [])
    assert (entries[KNOWN].model_name, entries[KNOWN].on_demand) == ("Nova Lite", True)


def test_a_model_that_can_only_be_provisioned_is_left_out(told):
    assert told([summary(f"{KNOWN}:48k", inferenceTypesSupported=["PROVISIONED"])], []) == {}
