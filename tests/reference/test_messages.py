"""Messages and requests as the reference shows them, and what Bedrock gets of them."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from llmmanager import BedrockConverseRequest
from llmmanager.testing import FakeBedrock

IMAGE, DOCUMENT = b"\xff\xd8\xff jpeg", b"%PDF-1.7"
FUNCTION = {"tools": [{"toolSpec": {"name": "function_name", "inputSchema": {"json": {"type": "object"}}}}]}


@pytest.fixture
def documented_messages(snippets) -> dict[str, dict[str, Any]]:
    """The five messages of the reference, by the kind of their last content block."""
    space = snippets.run("08-message-structure", {"image_bytes": IMAGE, "document_bytes": DOCUMENT})
    return {next(iter(message["content"][-1])): message for message in space.history["message"]}


def sent(fake_bedrock: FakeBedrock) -> list[dict[str, Any]]:
    return fake_bedrock.calls[-1].body["messages"]


def test_the_reference_shows_five_kinds_of_message(documented_messages) -> None:
    assert list(documented_messages) == ["text", "image", "document", "toolUse", "toolResult"]


def test_a_text_message_is_answered(fake_bedrock, manager, documented_messages) -> None:
    assert manager.converse([documented_messages["text"]]).success
    assert sent(fake_bedrock) == [{"role": "user", "content": [{"text": "Hello, how are you?"}]}]


def test_a_message_with_an_image_is_answered(fake_bedrock, manager, documented_messages) -> None:
    assert manager.converse([documented_messages["image"]]).success
    image = sent(fake_bedrock)[0]["content"][1]["image"]
    assert image == {"format": "jpeg", "source": {"bytes": base64.b64encode(IMAGE).decode()}}


def test_a_message_with_a_document_is_answered(fake_bedrock, manager, documented_messages) -> None:
    response = manager.converse([documented_messages["document"]])
    assert response.success
    document = sent(fake_bedrock)[0]["content"][1]["document"]
    assert document["format"] == "pdf"
    assert document["source"] == {"bytes": base64.b64encode(DOCUMENT).decode()}
    assert documented_messages["document"]["content"][1]["document"]["name"] == "document.pdf"


def test_a_tool_use_and_its_result_are_answered(fake_bedrock, manager, messages, documented_messages) -> None:
    turns = [*messages, documented_messages["toolUse"], documented_messages["toolResult"]]
    response = manager.converse(turns, tool_config=FUNCTION)
    assert "Function result" in str(response.get_content())
    assert sent(fake_bedrock) == turns


@pytest.mark.parametrize("status", ["success", "error"])
def test_a_tool_result_succeeds_or_fails(
    fake_bedrock, manager, messages, documented_messages, status: str
) -> None:
    documented_messages["toolResult"]["content"][0]["toolResult"]["status"] = status
    turns = [*messages, documented_messages["toolUse"], documented_messages["toolResult"]]
    assert manager.converse(turns, tool_config=FUNCTION).success
    assert sent(fake_bedrock)[2]["content"][0]["toolResult"]["status"] == status


def test_an_assistant_speaks_between_users(fake_bedrock, manager, documented_messages) -> None:
    said = {"role": "assistant", "content": [{"text": "Well."}]}
    turns = [documented_messages["text"], said, documented_messages["text"]]
    assert manager.converse(turns).success
    assert sent(fake_bedrock) == turns


def test_every_documented_image_format_is_taken(fake_bedrock, manager, documented_messages) -> None:
    image = documented_messages["image"]["content"][1]["image"]
    for kind in ("jpeg", "png", "gif", "webp"):
        image["format"] = kind
        assert manager.converse([documented_messages["image"]]).success
        assert sent(fake_bedrock)[0]["content"][1]["image"]["format"] == kind


def test_every_documented_document_format_is_taken(fake_bedrock, manager, documented_messages) -> None:
    document = documented_messages["document"]["content"][1]["document"]
    document["name"] = "document"
    for kind in ("pdf", "csv", "doc", "docx", "xls", "xlsx", "html", "txt", "md"):
        document["format"] = kind
        assert manager.converse([documented_messages["document"]]).success
        assert sent(fake_bedrock)[0]["content"][1]["document"]["format"] == kind


def test_an_image_may_lie_in_s3(fake_bedrock, manager, documented_messages) -> None:
    source = {"s3Location": {"uri": "s3://bucket/image.jpg"}}
    documented_messages["image"]["content"][1]["image"]["source"] = source
    assert manager.converse([documented_messages["image"]]).success
    assert sent(fake_bedrock)[0]["content"][1]["image"]["source"] == source


def test_a_request_holds_what_it_was_given(snippets) -> None:
    request = snippets.run("09-bedrock-converse-request")["request"]
    assert isinstance(request, BedrockConverseRequest)
    assert (request.request_id, request.messages) == ("unique-request-id", [...])


def test_a_request_as_documented_is_answered(snippets, parallel_manager, messages) -> None:
    space = snippets.run("09-bedrock-converse-request", {"messages": messages}, dots="messages")
    assert parallel_manager.converse_with_request(space["request"]).success
    assert list(parallel_manager.converse_parallel([space["request"]]).request_responses) == [
        "unique-request-id"
    ]


def test_every_field_of_a_request_reaches_bedrock(fake_bedrock, parallel_manager) -> None:
    request = BedrockConverseRequest(
        request_id="all",
        messages=[{"role": "user", "content": [{"text": "Tell me"}]}],
        system=[{"text": "Be brief"}],
        inference_config={"maxTokens": 20},
        additional_model_request_fields={"inferenceConfig": {"topK": 5}},
        additional_model_response_field_paths=["/stop_sequence"],
        guardrail_config={"guardrailIdentifier": "gr1", "guardrailVersion": "1"},
        tool_config=FUNCTION,
        request_metadata={"team": "reference"},
        prompt_variables={"name": {"text": "value"}},
    )
    parallel_manager.converse_with_request(request)
    body = fake_bedrock.calls[-1].body
    assert body == {
        "messages": request.messages,
        "system": request.system,
        "inferenceConfig": request.inference_config,
        "additionalModelRequestFields": request.additional_model_request_fields,
        "additionalModelResponseFieldPaths": request.additional_model_response_field_paths,
        "guardrailConfig": request.guardrail_config,
        "toolConfig": request.tool_config,
        "requestMetadata": request.request_metadata,
        "promptVariables": request.prompt_variables,
    }
