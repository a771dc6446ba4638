"""The key in the headers of a request."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdas.api_keys.key_text import new_key
from lambdas.api_keys.presented_key import presented_key

KEY = new_key("a" * 16)
OTHER = new_key("b" * 16)


def event(**headers: str) -> dict[str, Any]:
    """Return an event as API Gateway sends it, with each header in both forms."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return {"headers": named, "multiValueHeaders": {name: [value] for name, value in named.items()}}


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": f"Bearer {KEY.text}"},
        {"authorization": f"bearer {KEY.text}"},
        {"AUTHORIZATION": f"BEARER   {KEY.text} "},
        {"x_api_key": KEY.text},
        {"X_Api_Key": f"\t{KEY.text} "},
        {"Authorization": f"Bearer {KEY.text}", "x_api_key": KEY.text},
        {"Authorization": "", "x_api_key": KEY.text},
        {"Authorization": f"Bearer {KEY.text}", "x_api_key": "  "},
    ],
)
def test_the_key_is_in_either_header(headers: dict[str, str]) -> None:
    assert presented_key(event(**headers)) == KEY


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": ""},
        {"Authorization": KEY.text},
        {"Authorization": "Bearer"},
        {"Authorization": f"Bearer{KEY.text}"},
        {"Authorization": f"Basic {KEY.text}"},
        {"Authorization": f"Bearer {KEY.text}, Bearer {KEY.text}"},
        {"x_api_key": f"Bearer {KEY.text}"},
        {"api_key": KEY.text},
    ],
)
def test_without_a_well_formed_key_there_is_none(headers: dict[str, str]) -> None:
    assert presented_key(event(**headers)) is None


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": f"Bearer {KEY.text}", "x_api_key": OTHER.text},
        {"Authorization": f"Bearer {KEY.text}", "x_api_key": "guess"},
        {"Authorization": "Basic guess", "x_api_key": KEY.text},
        {"Authorization": f"Bearer {KEY.text}", "authorization": f"Bearer {OTHER.text}"},
    ],
)
def test_a_result_cached_under_one_header_does_not_depend_on_another_one(headers: dict[str, str]) -> None:
    assert presented_key(event(**headers)) is None


def test_all_values_of_a_repeated_header_count() -> None:
    headers = {"x-api-key": OTHER.text}

    repeated = {"headers": headers, "multiValueHeaders": {"x-api-key": [KEY.text, OTHER.text]}}
    assert presented_key(repeated) is None
    repeated["multiValueHeaders"] = {"x-api-key": [OTHER.text, OTHER.text]}
    assert presented_key(repeated) == OTHER


@pytest.mark.parametrize(
    "incomplete",
    [{}, {"headers": None, "multiValueHeaders": None}, {"headers": {"x-api-key": None}}],
)
def test_an_incomplete_event_has_no_key(incomplete: dict[str, Any]) -> None:
    assert presented_key(incomplete) is None


names = st.sampled_from(["authorization", "Authorization", "x-api-key", "X-API-Key", "accept"])
values = st.one_of(
    st.text(),
    st.sampled_from([KEY.text, OTHER.text, f"Bearer {KEY.text}", f"Bearer {OTHER.text}", "Bearer guess"]),
)


@given(st.dictionaries(names, values), st.dictionaries(names, st.lists(values, max_size=3)))
def test_every_credential_of_an_accepted_request_is_its_key(
    headers: dict[str, str], repeated: dict[str, list[str]]
) -> None:
    key = presented_key({"headers": headers, "multiValueHeaders": repeated})

    if key is not None:
        given_values = [*headers.items(), *((name, value) for name in repeated for value in repeated[name])]
        for name, value in given_values:
            if name != "accept" and value.strip(" \t"):
                assert value.strip(" \t").removeprefix("Bearer ") == key.text
