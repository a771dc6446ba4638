"""The parameters of `converse` and `converse_stream`."""

from __future__ import annotations

import pytest

from llmmanager import LLMManager


@pytest.mark.parametrize("method", ["converse", "converse_stream"])
@pytest.mark.parametrize("arguments", [{}, {"messages": "Hi", "mesages": "Hi"}])
def test_a_missing_or_unknown_argument_is_an_error_that_names_the_method(
    method: str, arguments: dict[str, str]
) -> None:
    manager = LLMManager(["Nova Lite"], ["us-east-1"])
    with pytest.raises(TypeError, match=rf"LLMManager\.{method}\(\) .*'mes"):
        getattr(manager, method)(**arguments)
