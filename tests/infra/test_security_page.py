"""docs/security.md names what stores data, every function, and which of them call models."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from lambdas.contract import BucketPrefix

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "security.md").read_text("utf-8")
FUNCTIONS = dict(re.findall(r"^\| `(\w+)` \| ([^|]*?) \|", PAGE, re.MULTILINE))


def test_every_function_has_a_row(stack: Any) -> None:
    deployed = stack.of_type("AWS::Lambda::Function")
    assert FUNCTIONS.keys() == {name.removesuffix("Function") for name in deployed}


def test_the_functions_that_call_models_are_marked(stack: Any) -> None:
    roles = stack.of_type("AWS::IAM::Role")
    callers = {
        name
        for name in FUNCTIONS
        if any("InvokeModels" in policy for policy in roles[f"{name}Role"].get("ManagedPolicyArns", ()))
    }
    assert {name for name, calls in FUNCTIONS.items() if calls.startswith("yes")} == callers


@pytest.mark.parametrize("prefix", [value for name, value in vars(BucketPrefix).items() if name.isupper()])
def test_every_folder_of_the_bucket_is_named(prefix: str) -> None:
    assert f"`{prefix}`" in PAGE
