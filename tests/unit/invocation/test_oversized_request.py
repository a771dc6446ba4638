"""oversized_request: the message names the reserved tokens, the quota and what to do."""

from __future__ import annotations

from typing import Any

import pytest

from llmmanager.bedrock.catalog.catalog_entries import AccessMethod, ModelAccess
from llmmanager.bedrock.invocation.oversized_request import oversized_request
from llmmanager.bedrock.routing.quota_pacing import Oversize

LITE = "amazon.nova-lite-v1:0"
TARGET = ModelAccess(LITE, "Nova Lite", "us-east-1", AccessMethod.ON_DEMAND, LITE)


@pytest.mark.parametrize(
    ("request_", "reserved", "advice"),
    [
        ({"inferenceConfig": {"maxTokens": 4_500}}, "1,500 of input and 4,500", "a lower maxTokens"),
        ({}, "1,000 of input and the maximum output of 5,000", "maxTokens"),
        ({"inferenceConfig": None}, "1,000 of input and the maximum output of 5,000", "maxTokens"),
    ],
)
def test_the_message_is_complete(request_: dict[str, Any], reserved: str, advice: str) -> None:
    problem = (
        f"inferenceConfig.maxTokens: the request reserves 6,000 tokens ({reserved}), more than the quota of "
        "4,000 tokens per minute of Nova Lite in us-east-1 (on_demand); "
        f"set {advice}, shorten the input or request a higher quota"
    )
    error = oversized_request(Oversize(TARGET, tokens=6_000, quota=4_000.0), request_)
    assert str(error) == f"The request exceeds the quota of every target: {problem}"
    assert error.validation_errors == [problem]
