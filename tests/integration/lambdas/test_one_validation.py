"""A request is validated once in each process that it enters."""

from __future__ import annotations

from typing import Any

import pytest

from lambdas.http_api.handler import handler as http
from llmmanager.bedrock.validation import request as request_module

MESSAGES = [{"role": "user", "content": [{"text": "How deep is the lake?"}]}]


@pytest.fixture
def validated(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The requests that were validated, in order."""
    validated: list[Any] = []
    validate = request_module.validate_request

    def recording(request: Any, **options: Any) -> list[str]:
        validated.append(request)
        return validate(request, **options)

    monkeypatch.setattr(request_module, "validate_request", recording)
    return validated


def test_an_http_request_is_validated_once(deployed, context, proxy_event, validated) -> None:
    event = proxy_event("POST", "/v1/converse", {"messages": MESSAGES})

    assert http(event, context)["statusCode"] == 200

    assert [request["messages"] for request in validated] == [MESSAGES]


def test_a_record_is_validated_once_by_the_plan_and_once_by_its_worker(machine, records, validated) -> None:
    (shard,) = machine.plan({"requests": records(5)})
    assert len(validated) == 5

    machine.run_shard(shard)

    assert len(validated) == 10
    assert machine.collect()["answered"] == 5
