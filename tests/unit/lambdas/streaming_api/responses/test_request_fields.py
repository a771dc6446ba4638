"""Every field, item and tool of openai-python's request types has a documented treatment."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lambdas.streaming_api.responses.request_fields import RESPONSES_FIELDS
from tests.unit.lambdas.streaming_api.responses.bodies import WEATHER, mapped, rejection, text, user
from tests.unit.lambdas.streaming_api.rows import row

FIELDS = json.loads(Path(__file__).with_name("request_fields.json").read_text())
TREATMENTS = {"mapped", "ignored", "rejected", "no effect"}
REJECTED_VALUES = {
    "background": True,
    "conversation": "conv_1",
    "moderation": {"model": "omni"},
    "previous_response_id": "resp_1",
    "prompt": {"id": "pmpt_1"},
    "top_logprobs": 1,
}


def with_treatment(names: Any, treatment: str) -> list[str]:
    return sorted(name for name, found in names.items() if found == treatment)


def test_the_list_of_fields_is_that_of_the_code() -> None:
    request = FIELDS["types"]["ResponseCreateParams"]
    assert with_treatment(request, "mapped") == sorted(set(RESPONSES_FIELDS.mapped) - {"models"})
    assert with_treatment(request, "ignored") == sorted(RESPONSES_FIELDS.ignored)
    assert with_treatment(request, "rejected") == sorted(RESPONSES_FIELDS.unsupported)
    assert with_treatment(request, "no effect") == []


def test_every_field_inside_of_others_has_a_treatment() -> None:
    for name, fields in FIELDS["types"].items():
        assert set(fields.values()) <= TREATMENTS, name


@pytest.mark.parametrize("type_", with_treatment(FIELDS["items"], "rejected"))
def test_every_other_item_is_rejected(type_: str) -> None:
    assert rejection(user(text("Hi")), {"type": type_}).param == "input[1].type"


@pytest.mark.parametrize("type_", with_treatment(FIELDS["tools"], "rejected"))
def test_every_other_tool_is_rejected(type_: str) -> None:
    assert rejection(tools=[WEATHER, {"type": type_}]).param == "tools[1].type"


@pytest.mark.parametrize("type_", with_treatment(FIELDS["tools"], "ignored"))
def test_every_web_search_is_ignored_beside_functions(type_: str) -> None:
    assert mapped(tools=[WEATHER, {"type": type_}]).ignored == ("tools.web_search",)


@row("fields that are not supported")
@pytest.mark.parametrize("name", sorted(RESPONSES_FIELDS.unsupported))
def test_a_field_that_is_not_supported_is_rejected_by_name(name: str) -> None:
    error = rejection(**{name: REJECTED_VALUES[name]})
    assert (error.param, error.code) == (name, "unsupported_parameter")
    for value in (None, *RESPONSES_FIELDS.unsupported[name][0]):
        assert mapped(**{name: value}).ignored == ()


@row("fields without effect")
@pytest.mark.parametrize("name", sorted(RESPONSES_FIELDS.ignored))
def test_a_field_without_effect_is_reported_unless_it_is_neutral(name: str) -> None:
    assert mapped(**{name: "x"}).ignored == (name,)
    for value in (None, *RESPONSES_FIELDS.ignored[name]):
        assert mapped(**{name: value}).ignored == ()


def test_storing_a_response_is_ignored_if_it_is_requested_explicitly() -> None:
    assert mapped(store=True).ignored == ("store",)
    assert mapped(store=False).ignored == mapped().ignored == ()


@row("unknown fields")
def test_an_unknown_field_is_reported() -> None:
    assert mapped(client_metadata={"thread_id": "a"}, stop=["a"]).ignored == ("client_metadata", "stop")


@row("unknown fields with `guardrail` in their name")
def test_an_unknown_field_about_guardrails_is_rejected() -> None:
    assert rejection(guardrailConfig={"guardrailIdentifier": "a"}).param == "guardrailConfig"
