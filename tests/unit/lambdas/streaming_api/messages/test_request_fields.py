"""Every field of anthropic's request types has a documented treatment."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lambdas.streaming_api.messages.request_fields import MESSAGES_FIELDS
from tests.unit.lambdas.streaming_api.messages.anthropic_messages import mapped, rejection
from tests.unit.lambdas.streaming_api.rows import row

TYPES = json.loads(Path(__file__).with_name("request_fields.json").read_text())["types"]
TREATMENTS = {"mapped", "ignored", "rejected", "no effect", "header"}
# Extensions, a former name, and parameters that later versions of the package leave out.
NOT_IN_PACKAGE = {"models", "output_format", "temperature", "top_k", "top_p"}
REJECTED_VALUES: dict[str, Any] = {
    "billing_policy": {"type": "billing_policy"},
    "compaction": {"type": "enabled"},
    "container": {"id": "a"},
    "fallbacks": [{"model": "a"}],
    "inference_geo": "us",
    "mcp_servers": [{"type": "url", "url": "https://a.example"}],
    "thread": {"type": "create"},
}


def test_the_list_of_fields_is_that_of_the_code() -> None:
    requests = TYPES["MessageCreateParams"] | TYPES["BetaMessageCreateParams"]
    by_treatment = {
        name: {field for field, treatment in requests.items() if treatment == name} for name in TREATMENTS
    }
    assert by_treatment["mapped"] == set(MESSAGES_FIELDS.mapped) - NOT_IN_PACKAGE
    assert by_treatment["ignored"] == set(MESSAGES_FIELDS.ignored)
    assert by_treatment["rejected"] == set(MESSAGES_FIELDS.unsupported)
    assert by_treatment["no effect"] == set()


def test_counted_requests_have_fields_of_messages() -> None:
    assert TYPES["MessageCountTokensParams"].items() <= TYPES["MessageCreateParams"].items()


def test_every_field_inside_of_others_has_a_treatment() -> None:
    for name, fields in TYPES.items():
        assert set(fields.values()) <= TREATMENTS, name


@row("fields that are not supported")
@pytest.mark.parametrize("name", sorted(MESSAGES_FIELDS.unsupported))
def test_a_field_that_is_not_supported_is_rejected_by_name(name: str) -> None:
    error = rejection(**{name: REJECTED_VALUES[name]})
    code = "thread_unsupported_request" if name == "thread" else "unsupported_parameter"
    assert (error.param, error.code) == (name, code)
    assert error.problem.startswith("is not supported; ")


@pytest.mark.parametrize("name", sorted(MESSAGES_FIELDS.unsupported))
def test_null_and_neutral_values_of_fields_that_are_not_supported_are_accepted(name: str) -> None:
    for value in (None, *MESSAGES_FIELDS.unsupported[name][0]):
        assert mapped(**{name: value}).ignored == ()


@row("fields without effect")
@pytest.mark.parametrize("name", sorted(MESSAGES_FIELDS.ignored))
def test_a_field_without_effect_is_reported_unless_it_is_neutral(name: str) -> None:
    assert mapped(**{name: "x"}).ignored == (name,)
    for value in (None, *MESSAGES_FIELDS.ignored[name]):
        assert mapped(**{name: value}).ignored == ()


@row("unknown fields")
def test_an_unknown_field_is_reported() -> None:
    assert mapped(seed=1).ignored == ("seed",)


@row("unknown fields with `guardrail` in their name")
def test_an_unknown_field_about_guardrails_is_rejected() -> None:
    assert rejection(guardrailConfig={"guardrailIdentifier": "a"}).param == "guardrailConfig"
