"""`parse`: an answer that follows a schema, with each form in which a schema is sent."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypedDict

import pytest
from pydantic import BaseModel, Field

from llmmanager import (
    BedrockConverseRequest,
    BedrockResponse,
    ConfigurationError,
    Conversation,
    InvalidAnswerError,
    ParsedResponse,
    RefusedAnswerError,
    RequestValidationError,
    ResponseValidationConfig,
    ToolCallError,
    TruncatedAnswerError,
    ValidationResult,
    structured_output,
)
from llmmanager.testing import Answer, Call, FakeBedrock, Fault
from llmmanager.testing.fake_bedrock import Responder

NATIVE, TOOL, INSTRUCTION = "Claude Haiku 4.5", "Nova Lite", "Mistral 7B Instruct"
FORMS = pytest.mark.parametrize("model", [NATIVE, TOOL, INSTRUCTION])
AnswerWith = Callable[[Responder], None]


@dataclass
class City:
    """A city."""

    name: str
    inhabitants: int
    districts: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.inhabitants < 1:
            raise ValueError("inhabitants must be at least 1")


class Lake(TypedDict):
    name: str
    depth: float


class Mountain(BaseModel):
    name: str = Field(min_length=2)
    height: int = Field(ge=0, le=9000)


RIVER = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "length": {"type": "integer", "minimum": 1}},
    "required": ["name", "length"],
}
PARIS = {"name": "Paris", "inhabitants": 2_100_000, "districts": ["Marais"]}


def form_of(call: Call) -> str:
    """The form in which a call has the schema."""
    if "outputConfig" in call.body:
        return NATIVE
    return TOOL if "toolConfig" in call.body else INSTRUCTION


def reply(call: Call, value: Any, stop_reason: str = "") -> Answer:
    """An answer with a JSON value, in the form of the call."""
    if form_of(call) is not TOOL:
        return Answer(({"text": json.dumps(value)},), stop_reason or "end_turn")
    name = call.body["toolConfig"]["tools"][-1]["toolSpec"]["name"]
    use = {"toolUseId": "tooluse_1", "name": name, "input": value}
    return Answer(({"toolUse": use},), stop_reason or "tool_use")


@FORMS
def test_a_valid_answer_is_an_instance_of_the_type(
    answer_with: AnswerWith, fake_bedrock: FakeBedrock, make_manager, model: str
) -> None:
    answer_with(lambda call: reply(call, PARIS))
    response = make_manager((model,)).parse("Describe Paris.", City)
    assert response.parsed == City("Paris", 2_100_000, ["Marais"])
    assert form_of(fake_bedrock.calls[-1]) == model
    assert response.features_disabled == []
    assert response.warnings == []


@FORMS
def test_an_invalid_answer_is_requested_again_with_the_reason(
    answer_with: AnswerWith, fake_bedrock: FakeBedrock, make_manager, model: str
) -> None:
    wrong = {**PARIS, "inhabitants": "many"}
    answer_with(lambda call: reply(call, PARIS if "is invalid" in json.dumps(call.body) else wrong))
    response = make_manager((model,)).parse("Describe Paris.", City)
    assert response.parsed.inhabitants == 2_100_000
    assert [error["error_message"] for error in response.get_validation_errors()] == [
        "answer.inhabitants: must be integer"
    ]
    *_, assistant, user = fake_bedrock.calls[-1].body["messages"]
    assert json.loads(assistant["content"][0]["text"]) == wrong
    assert "answer.inhabitants: must be integer" in user["content"][0]["text"]


@FORMS
def test_an_error_without_a_valid_answer_has_the_reason_and_all_attempts(
    answer_with: AnswerWith, fake_bedrock: FakeBedrock, make_manager, model: str
) -> None:
    answer_with(lambda call: reply(call, {**PARIS, "inhabitants": 0}))
    with pytest.raises(InvalidAnswerError, match="inhabitants must be at least 1") as caught:
        make_manager((model,)).parse("Describe Paris.", City)
    response = caught.value.response
    assert response is not None
    answers = [call for call in fake_bedrock.calls if call.status == 200]
    assert len(answers) == len(response.get_validation_errors()) == 3
    # The second correction replaces the first one.
    assert len(answers[1].body["messages"]) == len(answers[2].body["messages"]) == 3
    assert not response.success
    assert not hasattr(response, "parsed")


@FORMS
@pytest.mark.parametrize(
    ("stop_reason", "error"),
    [
        ("max_tokens", TruncatedAnswerError),
        ("model_context_window_exceeded", TruncatedAnswerError),
        ("content_filtered", RefusedAnswerError),
        ("guardrail_intervened", RefusedAnswerError),
    ],
)
def test_a_truncated_or_refused_answer_is_an_error_and_not_requested_again(
    answer_with: AnswerWith,
    fake_bedrock: FakeBedrock,
    make_manager,
    model: str,
    stop_reason: str,
    error: type[Exception],
) -> None:
    answer_with(lambda call: reply(call, PARIS, stop_reason))
    with pytest.raises(error) as caught:
        make_manager((model,)).parse("Describe Paris.", City)
    assert caught.value.stop_reason == stop_reason
    assert caught.value.response.estimated_cost_usd > 0
    assert len([call for call in fake_bedrock.calls if call.status == 200]) == 1


def test_a_call_that_fails_over_sends_each_model_the_form_that_it_supports(
    fake_bedrock: FakeBedrock, make_manager
) -> None:
    for model in ("anthropic.", "amazon."):
        fake_bedrock.add_fault(Fault(error="ServiceUnavailableException", model=model))
    manager = make_manager(
        (NATIVE, TOOL, INSTRUCTION), ("us-east-1",), retry={"enable_feature_fallback": False}
    )
    response = manager.parse("Describe Paris.", City)
    assert isinstance(response.parsed, City)
    forms = {call.model_id.partition(".")[0]: form_of(call) for call in fake_bedrock.calls}
    # The model rejects the tool once, since the table does not say whether it supports tools.
    assert forms == {"anthropic": NATIVE, "amazon": TOOL, "mistral": INSTRUCTION}


def test_a_rejected_form_is_remembered(fake_bedrock: FakeBedrock, make_manager) -> None:
    manager = make_manager((INSTRUCTION,), ("us-east-1",))
    manager.parse("Describe Paris.", City)
    manager.parse("Describe Lyon.", City)
    assert [(call.status, form_of(call)) for call in fake_bedrock.calls] == [
        (400, TOOL),
        (200, INSTRUCTION),
        (200, INSTRUCTION),
    ]


def test_a_schema_that_the_model_rejects_is_sent_as_a_tool(fake_bedrock: FakeBedrock, make_manager) -> None:
    message = "output_config.format.schema: For 'integer' type, properties maximum, minimum are not supported"
    fake_bedrock.add_fault(Fault(error="ValidationException", message=message, count=1))
    response = make_manager((NATIVE,)).parse("Describe Paris.", City)
    assert isinstance(response.parsed, City)
    assert [form_of(call) for call in fake_bedrock.calls] == [NATIVE, TOOL]


@FORMS
@pytest.mark.parametrize(
    "schema", [City, Lake, Mountain, RIVER], ids=["dataclass", "TypedDict", "pydantic", "JSON"]
)
def test_every_kind_of_schema_is_parsed(
    fake_bedrock: FakeBedrock, make_manager, model: str, schema: Any
) -> None:
    parsed: Any = make_manager((model,)).parse("What about 42?", schema).parsed
    assert type(parsed) is (dict if schema in (Lake, RIVER) else schema)
    assert (parsed if isinstance(parsed, Mapping) else vars(parsed))["name"]


def test_limits_that_native_output_does_not_accept_are_checked_here(
    answer_with: AnswerWith, fake_bedrock: FakeBedrock, make_manager
) -> None:
    answers = iter([{"name": "K2", "height": -1}, {"name": "K2", "height": 8611}])
    answer_with(lambda call: reply(call, next(answers)))
    response = make_manager((NATIVE,)).parse("Describe K2.", Mountain)
    assert response.parsed == Mountain(name="K2", height=8611)
    assert "answer.height" in response.get_validation_errors()[0]["error_message"]
    definition = fake_bedrock.calls[0].body["outputConfig"]["textFormat"]["structure"]["jsonSchema"]
    sent = json.loads(definition["schema"])
    assert sent["additionalProperties"] is False
    assert sent["properties"]["height"] == {
        "type": "integer",
        "title": "Height",
        "description": "(minimum: 0, maximum: 9000)",
    }


def test_a_validation_of_the_caller_gets_the_value_of_answers_that_follow_the_schema(
    answer_with: AnswerWith, make_manager
) -> None:
    answers = iter([{"name": 1}, PARIS, {**PARIS, "name": "Lyon"}])
    answer_with(lambda call: reply(call, next(answers)))
    seen = []

    def is_lyon(response: Any) -> ValidationResult:
        seen.append(response.parsed.name)
        return ValidationResult(response.parsed.name == "Lyon", "must be Lyon")

    response = make_manager().parse(
        "Describe Lyon.", City, response_validation_config=ResponseValidationConfig(is_lyon, 2)
    )
    assert seen == ["Paris", "Lyon"]
    assert response.parsed.name == "Lyon"
    assert response.get_validation_errors()[1]["error_message"] == "must be Lyon"


WEATHER = {"toolSpec": {"name": "get_weather", "inputSchema": {"json": {"type": "object"}}}}


def test_tools_of_the_caller_can_be_called_instead_of_answering(
    answer_with: AnswerWith, fake_bedrock: FakeBedrock, make_manager
) -> None:
    use = {"toolUseId": "tooluse_1", "name": "get_weather", "input": {}}
    answer_with(lambda call: Answer(({"toolUse": use},), "tool_use"))
    with pytest.raises(ToolCallError, match="get_weather") as caught:
        make_manager().parse("Describe Paris.", City, tool_config={"tools": [WEATHER]})
    assert caught.value.response is not None
    assert caught.value.response.get_content_blocks() == [{"toolUse": use}]
    sent = fake_bedrock.calls[0].body["toolConfig"]
    assert [tool["toolSpec"]["name"] for tool in sent["tools"]] == ["get_weather", "answer_City"]
    assert sent["toolChoice"] == {"any": {}}


def test_a_request_that_demands_a_tool_call_is_rejected(make_manager) -> None:
    config = {"tools": [WEATHER], "toolChoice": {"any": {}}}
    with pytest.raises(RequestValidationError, match='toolChoice: must be "auto"'):
        make_manager().parse("Describe Paris.", City, tool_config=config)


def test_a_format_of_the_caller_is_rejected(make_manager) -> None:
    with pytest.raises(ConfigurationError, match="without textFormat"):
        make_manager().parse("Describe Paris.", City, output_config={"textFormat": {}})


def test_requests_of_a_parallel_run_have_schemas_of_their_own(answer_with: AnswerWith, make_parallel) -> None:
    answer_with(lambda call: reply(call, PARIS))
    requests = [
        BedrockConverseRequest("city", "Describe Paris.", output_config=structured_output(City)),
        BedrockConverseRequest("lake", "Describe a lake.", output_config=structured_output(Lake, retries=0)),
        BedrockConverseRequest("text", "Describe Paris."),
    ]
    responses = make_parallel().converse_parallel(requests).request_responses
    city = responses["city"]
    assert isinstance(city, ParsedResponse)
    assert city.parsed == City(**PARIS)
    assert isinstance(responses["lake"].error, InvalidAnswerError)
    assert responses["text"].success


def test_the_text_of_an_answer_may_be_in_a_code_block(answer_with: AnswerWith, make_manager) -> None:
    answer_with(lambda call: f"Here it is:\n```json\n{json.dumps(PARIS)}\n```\nAnything else?")
    assert make_manager((INSTRUCTION,)).parse("Describe Paris.", City).parsed == City(**PARIS)


@FORMS
def test_a_conversation_continues_after_a_parsed_answer(
    answer_with: AnswerWith, fake_bedrock: FakeBedrock, make_manager, model: str
) -> None:
    answer_with(
        lambda call: reply(call, PARIS) if len(call.body["messages"]) == 1 else Answer(({"text": "Yes"},))
    )
    conversation = Conversation()
    manager = make_manager((model,))
    first = conversation.send(manager, "Describe Paris.", output_config=structured_output(City))
    assert isinstance(first, ParsedResponse)
    assert conversation.send(manager, "Is it big?").get_content() == "Yes"
    assert [json.loads(block["text"]) for block in fake_bedrock.calls[-1].body["messages"][1]["content"]] == [
        PARIS
    ]


def test_a_call_can_be_awaited(answer_with: AnswerWith, make_manager) -> None:
    manager = make_manager((NATIVE,))
    answer_with(lambda call: reply(call, PARIS))
    parsed: City = asyncio.run(manager.aparse("Describe Paris.", City)).parsed
    assert parsed == City("Paris", 2_100_000, ["Marais"])
    answer_with(lambda call: reply(call, PARIS, "max_tokens"))
    with pytest.raises(TruncatedAnswerError):
        asyncio.run(manager.aparse("Describe Paris.", City))


def test_a_parsed_response_is_restored_without_its_value(answer_with: AnswerWith, make_manager) -> None:
    answer_with(lambda call: reply(call, PARIS))
    response = make_manager((NATIVE,)).parse("Describe Paris.", City)
    restored = ParsedResponse.from_dict(response.to_dict())
    assert type(restored) is BedrockResponse
    assert restored.get_content() == response.get_content()
