"""docs/security.md names what stores data, every function, and what each of them may use."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lambdas.contract import BucketPrefix

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "security.md").read_text("utf-8")
ROWS = {
    row[0].strip("`"): row
    for line in PAGE.splitlines()
    if len(row := [cell.strip() for cell in line.strip("|").split("|")]) == 5 and row[0].startswith("`")
}
TABLES = {"catalog": "CatalogTable", "requests": "RequestTable", "usage": "UsageTable", "keys": "KeyTable"}


def test_every_function_has_a_row(stack: Any) -> None:
    deployed = stack.of_type("AWS::Lambda::Function")
    assert ROWS.keys() == {name.removesuffix("Function") for name in deployed}


def test_the_functions_that_call_models_are_marked(stack: Any) -> None:
    roles = stack.of_type("AWS::IAM::Role")
    callers = {
        name
        for name in ROWS
        if any("InvokeModels" in policy for policy in roles[f"{name}Role"].get("ManagedPolicyArns", ()))
    }
    assert {name for name, row in ROWS.items() if row[1].startswith("yes")} == callers


@pytest.mark.parametrize("function", ROWS)
def test_the_tables_that_a_function_may_use_are_named(stack: Any, function: str) -> None:
    policies = json.dumps(
        [
            policy["PolicyDocument"]
            for policy in stack.of_type("AWS::IAM::Policy").values()
            if f"<{function}Role>" in policy["Roles"]
        ]
    )
    used = {name for name, table in TABLES.items() if f"<{table}.Arn>" in policies}
    tables = ROWS[function][3]
    assert used == (TABLES.keys() if "all four" in tables else {name for name in TABLES if name in tables})


@pytest.mark.parametrize("prefix", [value for name, value in vars(BucketPrefix).items() if name.isupper()])
def test_every_folder_of_the_bucket_is_named(prefix: str) -> None:
    assert f"`{prefix}`" in PAGE
