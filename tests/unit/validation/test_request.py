"""build_request: from the parameters of a call to the Converse request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from llmmanager.bedrock.exceptions.llm_manager_exceptions import RequestValidationError
from llmmanager.bedrock.validation.request import build_request, check_request

MESSAGES = [{"role": "user", "content": [{"text": "Why?"}]}]


def built(**parameters: Any) -> Mapping[str, Any]:
    return build_request({"messages": MESSAGES, **parameters}).fields


def test_every_parameter_sets_its_field() -> None:
    given = {
        "system": [{"text": "Be brief."}],
        "inference_config": {"maxTokens": 9},
        "additional_model_request_fields": {"top_k": 5},
        "additional_model_response_field_paths": ["/stop_sequence"],
        "guardrail_config": {"guardrailIdentifier": "abc123", "guardrailVersion": "1"},
        "tool_config": {"tools": [{"toolSpec": {"name": "t", "inputSchema": {"json": {"type": "object"}}}}]},
        "request_metadata": {"team": "a"},
        "performance_config": {"latency": "optimized"},
        "service_tier": {"type": "flex"},
        "output_config": {"effort": "low"},
    }
    assert built(**given) == {
        "messages": MESSAGES,
        "system": given["system"],
        "inferenceConfig": given["inference_config"],
        "additionalModelRequestFields": given["additional_model_request_fields"],
        "additionalModelResponseFieldPaths": given["additional_model_response_field_paths"],
        "guardrailConfig": given["guardrail_config"],
        "toolConfig": given["tool_config"],
        "requestMetadata": given["request_metadata"],
        "performanceConfig": given["performance_config"],
        "serviceTier": given["service_tier"],
        "outputConfig": given["output_config"],
    }


def test_prompt_variables_may_be_plain_texts() -> None:
    variables = {"name": "Ada", "place": {"text": "London"}}
    assert built(prompt_variables=variables)["promptVariables"] == {
        "name": {"text": "Ada"},
        "place": {"text": "London"},
    }


@pytest.mark.parametrize(
    ("name", "empty"),
    [
        ("system", []),
        ("additional_model_response_field_paths", []),
        ("request_metadata", {}),
        ("prompt_variables", {}),
    ],
)
def test_an_empty_optional_field_is_left_out(name: str, empty: object) -> None:
    assert built(**{name: empty}) == {"messages": MESSAGES}


@pytest.mark.parametrize("name", ["system", "request_metadata"])
@pytest.mark.parametrize("invalid", [0, False, frozenset()])
def test_an_empty_value_of_a_wrong_type_is_rejected(name: str, invalid: object) -> None:
    with pytest.raises(RequestValidationError):
        built(**{name: invalid})


def test_defaults_apply_to_parameters_that_the_call_does_not_set() -> None:
    defaults = {"maxTokens": 50, "temperature": 0.1}
    request = build_request(
        {"messages": MESSAGES, "inference_config": {"temperature": 0.9}}, default_inference_config=defaults
    ).fields
    assert request["inferenceConfig"] == {"maxTokens": 50, "temperature": 0.9}
    assert (
        build_request({"messages": MESSAGES}, default_inference_config=defaults).fields["inferenceConfig"]
        == defaults
    )
    assert defaults == {"maxTokens": 50, "temperature": 0.1}


def test_defaults_do_not_hide_a_configuration_of_a_wrong_type() -> None:
    with pytest.raises(RequestValidationError, match="inferenceConfig"):
        build_request(
            {"messages": MESSAGES, "inference_config": "hot"}, default_inference_config={"maxTokens": 5}
        )


def test_extra_fields_are_merged_last_and_validated() -> None:
    extra = {"inferenceConfig": {"maxTokens": 7}, "quantumConfig": {"qubits": 2}}
    request = built(inference_config={"temperature": 0.5}, extra_request_fields=extra)
    assert request == {"messages": MESSAGES, **extra}
    with pytest.raises(RequestValidationError, match="maxTokens"):
        built(extra_request_fields={"inferenceConfig": {"maxTokens": 0}})


@pytest.mark.parametrize("invalid", [["x"], "x", 3])
def test_extra_fields_that_are_not_a_dict_are_rejected_by_name(invalid: object) -> None:
    with pytest.raises(RequestValidationError) as raised:
        built(extra_request_fields=invalid)
    assert raised.value.validation_errors == [
        f"extra_request_fields: must be a dict (got {type(invalid).__name__})"
    ]


def test_the_error_message_contains_every_problem() -> None:
    with pytest.raises(RequestValidationError) as raised:
        built(inference_config={"maxTokens": 0}, system=5, extra_request_fields=["x"])
    assert len(raised.value.validation_errors) == 3
    assert all(problem in str(raised.value) for problem in raised.value.validation_errors)
    assert "; ".join(raised.value.validation_errors) in str(raised.value)


def test_fields_for_streams_are_accepted_for_streams_only() -> None:
    guardrail = {
        "guardrailIdentifier": "abc123",
        "guardrailVersion": "1",
        "streamProcessingMode": "async",
    }
    with pytest.raises(RequestValidationError, match="streamProcessingMode"):
        built(guardrail_config=guardrail)
    request = build_request({"messages": MESSAGES, "guardrail_config": guardrail}, stream=True)
    assert request.fields["guardrailConfig"] == guardrail


def test_an_inference_configuration_in_the_extra_fields_replaces_the_defaults() -> None:
    request = build_request(
        {"messages": MESSAGES, "extra_request_fields": {"inferenceConfig": {"temperature": 0.5}}},
        default_inference_config={"maxTokens": 9},
    )
    assert request.fields["inferenceConfig"] == {"temperature": 0.5}


def test_the_warnings_of_changes_skipped_models_and_unused_defaults_add_up() -> None:
    prompt = "arn:aws:bedrock:us-east-1:111122223333:prompt/ABCDEFGHIJ:1"
    document = {"document": {"name": "a.pdf", "format": "pdf", "source": {"bytes": b"%PDF"}}}
    request = build_request(
        {"messages": [{"role": "user", "content": [{"text": "Why?"}, document]}]},
        model_ids=[prompt, "acme.one", "acme.two"],
        default_inference_config={"maxTokens": 9},
        skipped_models={"acme.two": ["too long", "too wide"]},
    )
    renamed, *others = request.warnings
    assert "a.pdf" in renamed
    assert others == [
        "acme.two was skipped: too long; too wide",
        f"default_inference_config does not apply to {prompt}, a managed prompt",
    ]


def test_a_request_is_checked_for_converse_unless_it_is_for_a_stream() -> None:
    prompt = "arn:aws:bedrock:us-east-1:111122223333:prompt/ABCDEFGHIJ:1"
    guardrail = {
        "guardrailIdentifier": "abc123",
        "guardrailVersion": "1",
        "streamProcessingMode": "async",
    }
    request = {"messages": MESSAGES, "guardrailConfig": guardrail}
    for models in ([], [prompt]):
        problems, _ = check_request(request, model_ids=models)
        assert [problem.partition(":")[0] for problem in problems] == ["guardrailConfig.streamProcessingMode"]
        assert check_request(request, model_ids=models, stream=True) == ([], {})
