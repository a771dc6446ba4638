"""Every field of openai-python's request types has a documented treatment."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lambdas.streaming_api.chat_completions.request_fields import CHAT_FIELDS
from tests.unit.lambdas.streaming_api.chat_completions.chat import mapped, rejection
from tests.unit.lambdas.streaming_api.rows import row

FIELDS = json.loads(Path(__file__).with_name("request_fields.json").read_text())
TREATMENTS = {"mapped", "ignored", "rejected", "no effect"}
REJECTED_VALUES = {
    "audio": {"voice": "alloy"},
    "function_call": {"name": "f"},
    "functions": [{"name": "f"}],
    "logit_bias": {"1": 2},
    "logprobs": True,
    "modalities": ["text", "audio"],
    "moderation": {"model": "omni"},
    "n": 2,
    "prediction": {"type": "content", "content": "a"},
    "top_logprobs": 1,
    "web_search_options": {"search_context_size": "low"},
}


def test_the_list_of_fields_is_that_of_the_code() -> None:
    request = FIELDS["types"]["CompletionCreateParams"]
    by_treatment = {
        name: {field for field, treatment in request.items() if treatment == name} for name in TREATMENTS
    }
    assert by_treatment["mapped"] == set(CHAT_FIELDS.mapped) - {"models"}
    assert by_treatment["ignored"] == set(CHAT_FIELDS.ignored)
    assert by_treatment["rejected"] == set(CHAT_FIELDS.unsupported)
    assert by_treatment["no effect"] == set()


def test_every_field_inside_of_others_has_a_treatment() -> None:
    for name, fields in FIELDS["types"].items():
        assert set(fields.values()) <= TREATMENTS, name


@row("fields that are not supported")
@pytest.mark.parametrize("name", sorted(CHAT_FIELDS.unsupported))
def test_a_field_that_is_not_supported_is_rejected_by_name(name: str) -> None:
    error = rejection(**{name: REJECTED_VALUES[name]})
    assert (error.param, error.code) == (name, "unsupported_parameter")
    assert error.problem.startswith("is not supported; ")


@pytest.mark.parametrize("name", sorted(CHAT_FIELDS.unsupported))
def test_null_and_neutral_values_of_fields_that_are_not_supported_are_accepted(name: str) -> None:
    for value in (None, *CHAT_FIELDS.unsupported[name][0]):
        assert mapped(**{name: value}).ignored == ()


@row("fields without effect")
@pytest.mark.parametrize("name", sorted(CHAT_FIELDS.ignored))
def test_a_field_without_effect_is_reported_unless_it_is_neutral(name: str) -> None:
    assert mapped(**{name: "x"}).ignored == (name,)
    for value in (None, *CHAT_FIELDS.ignored[name]):
        assert mapped(**{name: value}).ignored == ()


@row("unknown fields")
@pytest.mark.parametrize(
    ("name", "reported"),
    [("top_k", "top_k"), ("chat id\r\nx: y", "other"), ("x" * 65, "other"), ("ä", "other")],
)
def test_an_unknown_field_is_reported(name: str, reported: str) -> None:
    assert mapped(**{name: 1}).ignored == (reported,)


@row("unknown fields with `guardrail` in their name")
def test_an_unknown_field_about_guardrails_is_rejected() -> None:
    assert rejection(guardrailConfig={"guardrailIdentifier": "a"}).param == "guardrailConfig"


def test_the_result_does_not_depend_on_the_order_of_the_fields() -> None:
    body: dict[str, Any] = {"top_k": 1, "seed": 2}
    assert set(mapped(**body).ignored) == set(mapped(**dict(reversed(body.items()))).ignored)
