"""What the tests with generated requests of each API have in common."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import event
from hypothesis import strategies as st

from lambdas.streaming_api.field_origins import client_problem
from lambdas.streaming_api.mapped_request import MappedRequest
from lambdas.streaming_api.mapping_error import MappingError
from llmmanager.bedrock.validation.request import CONVERSE_FIELDS, check_request

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 300) | st.floats(-1, 3) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
TEXTS = st.sampled_from(["", " ", "Hello", "Hello ", "äöü", "x" * 300])


def member(path: str) -> str:
    """Return the first name of a path, which is a member of the body."""
    return re.split(r"[.\[]", path)[0]


def converse_fields(request: MappedRequest) -> dict[str, Any]:
    """Return the request with Bedrock's names."""
    return {CONVERSE_FIELDS[name]: value for name, value in request.converse.items()}


def problems_of(request: MappedRequest, models: tuple[str, ...]) -> list[str]:
    """Return the problems that the library finds."""
    return list(check_request(converse_fields(request), model_ids=models, stream=request.stream)[0])


def check_mapping(
    outcome: MappedRequest | MappingError, body: dict[str, Any], models: tuple[str, ...]
) -> None:
    """Assert that a body was mapped, or rejected with the path of one of its fields."""
    event(type(outcome).__name__)
    if isinstance(outcome, MappingError):
        assert member(outcome.param) in body
        assert str(outcome).startswith(outcome.param)
        return
    problems = problems_of(outcome, models)
    event(f"{bool(problems)} problems of the library's validation")
    for problem in problems:
        path, _ = client_problem(problem, outcome.origins)
        assert member(path) in body, problem
    assert all(name.isascii() for name in outcome.ignored)


def check_valid(request: MappedRequest, models: tuple[str, ...]) -> None:
    """Assert that the library accepts a request. One with more than 5 documents is rejected."""
    assert [problem for problem in problems_of(request, models) if "documents" not in problem] == []
