"""A managed prompt in the place of a model: it has messages and settings of its own."""

from __future__ import annotations

from typing import Any

import pytest

from llmmanager.bedrock.catalog.managed_prompts import is_managed_prompt
from llmmanager.bedrock.exceptions.llm_manager_exceptions import RequestValidationError
from llmmanager.bedrock.validation.request import ValidRequest, build_request, check_request
from llmmanager.bedrock.validation.request_validation import validate_request

Json = dict[str, Any]

PROMPT = "arn:aws:bedrock:us-east-1:111122223333:prompt/ABCDEFGHIJ:1"
NOVA = "amazon.nova-lite-v1:0"
QUESTION = {"role": "user", "content": [{"text": "And in French?"}]}
TOOL_USE = {"toolUse": {"toolUseId": "t1", "name": "now", "input": {}}}
TOOL_RESULT = {"toolResult": {"toolUseId": "t1", "content": [{"text": "12:00"}]}}
TOOLS = {"tools": [{"toolSpec": {"name": "now", "inputSchema": {"json": {"type": "object"}}}}]}
VARIABLES = {"city": {"text": "Lima"}}


def build(models: tuple[str, ...], **parameters: Any) -> ValidRequest:
    defaults = parameters.pop("default_inference_config", None)
    return build_request(parameters, model_ids=models, default_inference_config=defaults)


def problems_of(models: tuple[str, ...], **parameters: Any) -> list[str]:
    with pytest.raises(RequestValidationError) as raised:
        build(models, **parameters)
    return raised.value.validation_errors


@pytest.mark.parametrize(
    ("model_id", "is_prompt"),
    [
        (PROMPT, True),
        ("arn:aws:bedrock:eu-west-1:111122223333:prompt/ABCDEFGHIJ", True),
        ("arn:aws-us-gov:bedrock:us-gov-west-1:111122223333:prompt/ABCDEFGHIJ:12", True),
        ("arn:aws:bedrock:us-east-1:111122223333:default-prompt-router/anthropic.claude:1", False),
        ("arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/prompt", False),
        (NOVA, False),
    ],
)
def test_a_managed_prompt_is_recognized_by_its_arn(model_id: str, is_prompt: bool) -> None:
    assert is_managed_prompt(model_id) is is_prompt


@pytest.mark.parametrize("messages", [None, []])
def test_messages_are_optional_for_a_managed_prompt(messages: Any) -> None:
    request = build((PROMPT,), messages=messages, prompt_variables={"city": "Lima"})
    assert request.fields == {"promptVariables": VARIABLES}
    assert request.warnings == ()


def test_messages_given_with_a_managed_prompt_are_appended() -> None:
    request = build((PROMPT,), messages="And in French?", prompt_variables=VARIABLES)
    assert request.fields == {"messages": [QUESTION], "promptVariables": VARIABLES}


@pytest.mark.parametrize("models", [(NOVA,), (), (NOVA, "anthropic.claude-haiku-4-5-20251001-v1:0")])
def test_messages_are_required_for_a_model(models: tuple[str, ...]) -> None:
    assert problems_of(models, messages=None, prompt_variables=VARIABLES) == ["messages: is required"]


@pytest.mark.parametrize(
    ("parameter", "value", "field"),
    [
        ("system", [{"text": "Be brief."}], "system"),
        ("inference_config", {"maxTokens": 9}, "inferenceConfig"),
        ("tool_config", TOOLS, "toolConfig"),
        ("additional_model_request_fields", {"top_k": 5}, "additionalModelRequestFields"),
        ("extra_request_fields", {"system": [{"text": "Be brief."}]}, "system"),
    ],
)
def test_a_field_that_is_defined_in_a_managed_prompt_is_a_problem(
    parameter: str, value: Any, field: str
) -> None:
    (problem,) = problems_of((PROMPT,), messages=None, **{parameter: value})
    assert problem.startswith(f"{field}: must be omitted: it is defined in the managed prompt (got ")


@pytest.mark.parametrize(
    "parameters", [{"system": []}, {"inference_config": {}}, {"additional_model_request_fields": {}}]
)
def test_empty_fields_are_accepted_with_a_managed_prompt(parameters: Json) -> None:
    assert build((PROMPT,), messages=None, **parameters).skipped_models == {}


def test_messages_after_a_prompt_may_continue_its_conversation() -> None:
    for first in (
        {"role": "assistant", "content": [{"text": "Hola"}]},
        {"role": "user", "content": [TOOL_RESULT]},
    ):
        assert validate_request({"messages": [first]}, managed_prompt=True) == []
    history = [{"role": "assistant", "content": [TOOL_USE]}, {"role": "user", "content": [TOOL_RESULT]}]
    assert validate_request({"messages": history}, managed_prompt=True) == []


def test_messages_after_a_prompt_are_checked_against_each_other() -> None:
    history = [QUESTION, QUESTION, {"role": "assistant", "content": [TOOL_USE]}, QUESTION]
    problems = validate_request({"messages": history}, managed_prompt=True)
    assert [problem.partition(": ")[0] for problem in problems] == ["messages[1].role", "messages[3].content"]


# ---- a managed prompt together with a model


def test_a_request_without_messages_is_for_the_managed_prompt_only() -> None:
    request = build((NOVA, PROMPT), messages=None, prompt_variables=VARIABLES)
    assert request.skipped_models == {NOVA: ["messages: is required"]}
    assert request.warnings == (f"{NOVA} was skipped: messages: is required",)


def test_a_request_with_settings_is_for_the_model_only() -> None:
    request = build((PROMPT, NOVA), messages="Hello", system=[{"text": "Be brief."}])
    assert list(request.skipped_models) == [PROMPT]


def test_a_plain_conversation_is_for_prompt_and_model() -> None:
    assert build((PROMPT, NOVA), messages="Hello").skipped_models == {}


def test_a_request_invalid_for_both_is_rejected_with_the_problems_of_both() -> None:
    assert problems_of((PROMPT, NOVA), messages=None, system=[{"text": "Be brief."}]) == [
        "messages: is required",
        "system: must be omitted: it is defined in the managed prompt (got list)",
    ]


def test_default_inference_parameters_apply_to_models_only() -> None:
    request = build((PROMPT, NOVA), messages="Hello", default_inference_config={"maxTokens": 50})
    assert request.skipped_models == {}
    assert request.fields["inferenceConfig"] == {"maxTokens": 50}
    assert request.warnings == (f"default_inference_config does not apply to {PROMPT}, a managed prompt",)


def test_a_request_is_checked_for_the_models_that_may_answer_it() -> None:
    assert check_request({"promptVariables": VARIABLES}, model_ids=[PROMPT]) == ([], {})
    assert check_request({"promptVariables": VARIABLES}) == (["messages: is required"], {})
