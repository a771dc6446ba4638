"""The parameters of `converse` and `converse_stream`."""

from __future__ import annotations

from dataclasses import fields

import pytest

from llmmanager import LLMManager
from llmmanager.bedrock.models.call_keywords import CallKeywords
from llmmanager.bedrock.models.call_parameters import CallParameters


def test_the_typed_keywords_are_the_parameters_of_converse() -> None:
    typed = {name: kind.__forward_arg__ for name, kind in CallKeywords.__annotations__.items()}
    parameters = {field.name: field.type for field in fields(CallParameters)}
    assert typed | {"messages": parameters["messages"]} == parameters


@pytest.mark.parametrize("method", ["converse", "converse_stream"])
@pytest.mark.parametrize("arguments", [{}, {"messages": "Hi", "mesages": "Hi"}])
def test_a_missing_or_unknown_argument_is_an_error_that_names_the_method(
    method: str, arguments: dict[str, str]
) -> None:
    manager = LLMManager(["Nova Lite"], ["us-east-1"])
    with pytest.raises(TypeError, match=rf"LLMManager\.{method}\(\) .*'mes"):
        getattr(manager, method)(**arguments)
