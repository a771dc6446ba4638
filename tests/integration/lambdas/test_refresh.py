"""The refresh of one region."""

from __future__ import annotations

import json

import pytest

from lambdas.http_api.handler import handler as http
from lambdas.model_access.refresh import handler as refresh
from llmmanager.bedrock.catalog.dynamodb_store import DynamoDBStore
from llmmanager.testing import Fault


def test_what_bedrock_offers_is_stored_and_seen_by_the_api(deployed, context, proxy_event):
    outcome = refresh({"region": "us-west-2"}, context)

    stored = DynamoDBStore("catalog-of-the-test").load("us-west-2")
    assert outcome["region"] == "us-west-2"
    assert outcome["models"] == len(stored.entries) > 0
    assert (outcome["version"], outcome["stored"]) == (stored.version, True)
    seen = json.loads(http(proxy_event("GET", "/v1/models"), context)["body"])
    assert seen["refreshedAt"] == {
        "us-east-1": None,
        "us-west-2": outcome["refreshedAt"],
        "eu-central-1": None,
    }


def test_a_region_that_does_not_answer_raises_and_keeps_what_was_known(deployed, context):
    refresh({"region": "us-east-1"}, context)
    known = DynamoDBStore("catalog-of-the-test").load("us-east-1")
    deployed.add_fault(Fault(operation="ListFoundationModels", error="AccessDeniedException"))

    with pytest.raises(Exception, match="AccessDenied"):
        refresh({"region": "us-east-1"}, context)

    assert DynamoDBStore("catalog-of-the-test").load("us-east-1") == known


@pytest.mark.parametrize("event", [{}, {"region": None}, {"region": ""}, {"region": 7}])
def test_an_event_without_a_region_is_refused(deployed, context, event):
    with pytest.raises(ValueError, match="region: must be"):
        refresh(event, context)


def age_told(capsys):
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (line,) = [line for line in lines if "CatalogAgeSeconds" in line]
    assert line["Region"] == "us-east-1"
    return line["CatalogAgeSeconds"]


def test_a_refresh_tells_that_the_region_is_as_new_as_can_be(deployed, context, capsys):
    refresh({"region": "us-east-1"}, context)

    assert age_told(capsys) < 60


def test_a_failed_refresh_tells_that_the_region_was_never_asked(deployed, context, capsys):
    deployed.add_fault(Fault(operation="ListFoundationModels", error="AccessDeniedException"))

    with pytest.raises(Exception, match="AccessDenied"):
        refresh({"region": "us-east-1"}, context)

    assert age_told(capsys) > 365 * 86400
