"""A managed prompt in the place of a model: it has messages and settings of its own."""

from __future__ import annotations

from typing import Any

import pytest

from llmmanager.bedrock.catalog.managed_prompts import is_managed_prompt
from llmmanager.bedrock.exceptions.llm_manager_exceptions import RequestValidationError
from llmmanager.bedrock.invocation.request import ValidRequest, build_request, check_request
from llmmanager.bedrock.invocation.request_validation import validate_request

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
def test_a_managed_prompt_is_known_by_its_arn(model_id: str, is_prompt: bool) -> None:
    assert is_managed_prompt(model_id) is is_prompt


@pytest.mark.parametrize("messages", [None, []])
def test_a_managed_prompt_needs_no_messages(messages: Any) -> None:
    request = build((PROMPT,), messages=messages, prompt_variables={"city": "Lima"})
    assert request.fields == {"promptVariables": VARIABLES}
    assert request.warnings == ()


def test_messages_given_with_a_managed_prompt_are_appended() -> None:
    request = build((PROMPT,), messages="And in French?", prompt_variables=VARIABLES)
    assert request.fields == {"messages": [QUESTION], "promptVariables": VARIABLES}


@pytest.mark.parametrize("models", [(NOVA,), (), (NOVA, "anthropic.claude-haiku-4-5-20251001-v1:0")])
def test_a_model_needs_messages(models: tuple[str, ...]) -> None:
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
def test_what_a_managed_prompt_defines_itself_is_a_problem_by_its_field(
    parameter: str, value: Any, field: str
) -> None:
    (problem,) = problems_of((PROMPT,), messages=None, **{parameter: value})
    assert problem.startswith(f"{field}: must be left out: the managed prompt defines it (got ")


@pytest.mark.parametrize(
    "parameters", [{"system": []}, {"inference_config": {}}, {"additional_model_request_fields": {}}]
)
def test_what_is_empty_is_no_override_of_a_managed_prompt(parameters: Json) -> None:
    assert build((PROMPT,), messages=None, **parameters).passed_over == {}


def test_messages_after_a_prompt_may_go_on_where_it_ends() -> None:
    for first in (
        {"role": "assistant", "content": [{"text": "Hola"}]},
        {"role": "user", "content": [TOOL_RESULT]},
    ):
        assert validate_request({"messages": [first]}, managed_prompt=True) == []
    history = [{"role": "assistant", "content": [TOOL_USE]}, {"role": "user", "content": [TOOL_RESULT]}]
    assert validate_request({"messages": history}, managed_prompt=True) == []


def test_messages_after_a_prompt_keep_the_rules_among_themselves() -> None:
    history = [QUESTION, QUESTION, {"role": "assistant", "content": [TOOL_USE]}, QUESTION]
    problems = validate_request({"messages": history}, managed_prompt=True)
    assert [problem.partition(": ")[0] for problem in problems] == ["messages[1].role", "messages[3].content"]


# ---- a managed prompt beside a model


def test_without_messages_only_the_managed_prompt_is_asked() -> None:
    request = build((NOVA, PROMPT), messages=None, prompt_variables=VARIABLES)
    assert request.passed_over == {NOVA: ["messages: is required"]}
    assert request.warnings == (f"{NOVA} was passed over: messages: is required",)


def test_with_settings_of_its_own_a_request_is_for_the_model() -> None:
    request = build((PROMPT, NOVA), messages="Hello", system=[{"text": "Be brief."}])
    assert list(request.passed_over) == [PROMPT]


def test_a_plain_conversation_is_for_both() -> None:
    assert build((PROMPT, NOVA), messages="Hello").passed_over == {}


def test_a_request_that_suits_neither_is_refused_with_the_problems_of_both() -> None:
    assert problems_of((PROMPT, NOVA), messages=None, system=[{"text": "Be brief."}]) == [
        "messages: is required",
        "system: must be left out: the managed prompt defines it (got list)",
    ]


def test_default_inference_parameters_are_for_models_only() -> None:
    request = build((PROMPT, NOVA), messages="Hello", default_inference_config={"maxTokens": 50})
    assert request.passed_over == {}
    assert request.fields["inferenceConfig"] == {"maxTokens": 50}
    assert request.warnings == (f"default_inference_config does not apply to {PROMPT}, a managed prompt",)


def test_a_request_is_checked_for_the_models_that_may_answer_it() -> None:
    assert check_request({"promptVariables": VARIABLES}, model_ids=[PROMPT]) == ([], {})
    assert check_request({"promptVariables": VARIABLES}) == (["messages: is required"], {})
