"""Responses of Bedrock's control plane that FakeBedrock does not return."""

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
def entries_of(aws_credentials):
    """Return the entries for model summaries and profiles, which are validated against botocore's shapes."""
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


def test_a_profile_of_an_unlisted_known_model_is_an_access_method(entries_of):
    entries = entries_of([], [profile(f"us.{KNOWN}", KNOWN)])
    assert entries[KNOWN].profiles == (f"us.{KNOWN}",)
    assert (entries[KNOWN].model_name, entries[KNOWN].provider) == ("Nova Lite", "Amazon")


def test_a_profile_of_an_unknown_model_is_ignored(entries_of):
    assert entries_of([], [profile("us.acme.embedder", "acme.embedder")]) == {}


def test_the_model_of_a_profile_is_read_from_its_arn(entries_of):
    entries = entries_of(
        [summary(KNOWN, inputModalities=["TEXT"], outputModalities=["TEXT"])],
        [profile("us.other-name", KNOWN)],
    )
    assert entries[KNOWN].profiles == ("us.other-name",)


def test_missing_fields_are_filled_from_the_model_table(entries_of):
    entries = entries_of([summary(KNOWN, inferenceTypesSupported=["ON_DEMAND"])], [])
    assert (entries[KNOWN].model_name, entries[KNOWN].on_demand) == ("Nova Lite", True)


def test_a_model_that_can_only_be_provisioned_is_left_out(entries_of):
    assert entries_of([summary(f"{KNOWN}:48k", inferenceTypesSupported=["PROVISIONED"])], []) == {}
