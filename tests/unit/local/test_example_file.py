"""examples/prompts.jsonl has valid records of every kind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.validate import ParamValidator

from llmmanager.bedrock.models.json_codec import decode_bytes

FILE = Path(__file__).resolve().parents[3] / "examples" / "prompts.jsonl"


def records() -> list[dict[str, Any]]:
    return [json.loads(line) for line in FILE.read_text().split("\n") if line]


def converse_request(record: dict[str, Any]) -> dict[str, Any]:
    if "modelInput" in record:
        return decode_bytes(record["modelInput"])
    names = {"messages": "messages", "system": "system", "inference_config": "inferenceConfig"}
    return decode_bytes({names[key]: value for key, value in record.items() if key != "request_id"})


def record_id(record: dict[str, Any]) -> str:
    return record["recordId"] if "modelInput" in record else record["request_id"]


@pytest.fixture(scope="module")
def converse_shape() -> Any:
    service = botocore.session.Session().get_service_model("bedrock-runtime")
    return service.operation_model("Converse").input_shape


@pytest.mark.parametrize("record", records(), ids=record_id)
def test_a_record_is_a_valid_converse_request(record: dict[str, Any], converse_shape: Any) -> None:
    request = {"modelId": "amazon.nova-lite-v1:0", **converse_request(record)}
    report = ParamValidator().validate(request, converse_shape)
    assert not report.has_errors(), report.generate_report()
    assert request["inferenceConfig"]["maxTokens"] <= 1000


def test_ids_are_unique() -> None:
    ids = [record_id(record) for record in records()]
    assert len(set(ids)) == len(ids)


def test_the_file_has_every_kind_of_request() -> None:
    requests = [converse_request(record) for record in records()]
    blocks = [
        block for request in requests for message in request["messages"] for block in message["content"]
    ]
    images = [block["image"]["source"]["bytes"] for block in blocks if "image" in block]
    documents = [block["document"]["source"]["bytes"] for block in blocks if "document" in block]
    assert [data[:8] for data in images] == [b"\x89PNG\r\n\x1a\n"]
    assert [data[:5] for data in documents] == [b"%PDF-"]
    assert {key for request in requests for key in request} >= {"system", "toolConfig", "outputConfig"}
    assert {"recordId", "request_id"} == {
        key for record in records() for key in record if key.endswith(("Id", "_id"))
    }
