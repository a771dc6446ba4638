"""Requests that set a budget: accepted values, and the error for each other."""

from __future__ import annotations

from typing import Any

import pytest

from lambdas.usage.budget import BudgetScope, Period
from lambdas.usage.budget_request import read_limits, read_named_scope
from llmmanager.json_format.codec import InvalidRequest


@pytest.mark.parametrize(
    ("body", "limits"),
    [
        ({"dailyUsd": 5}, {Period.DAY: 5_000_000_000}),
        ({"dailyUsd": 0, "monthlyUsd": None}, {Period.DAY: 0}),
        ({"monthlyUsd": 0.1}, {Period.MONTH: 100_000_000}),
        ({"monthlyUsd": 1e9, "dailyUsd": 1e-9}, {Period.MONTH: 10**18, Period.DAY: 1}),
    ],
)
def test_limits_are_exact_nano_dollars(body: Any, limits: dict[Period, int]) -> None:
    assert read_limits(body) == limits


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({}, "dailyUsd, monthlyUsd: at least one is required"),
        ({"dailyUsd": None}, "dailyUsd, monthlyUsd: at least one is required"),
        ({"weeklyUsd": 1, "dailyUsd": 1}, "weeklyUsd: unknown field; known fields: dailyUsd, monthlyUsd"),
        ({"dailyUsd": "5"}, "dailyUsd: must be a number from 0 to 1000000000 (USD), or null for no limit"),
        ({"dailyUsd": True}, "dailyUsd: must be a number"),
        ({"monthlyUsd": -1}, "monthlyUsd: must be a number"),
        ({"monthlyUsd": float("nan")}, "monthlyUsd: must be a number"),
        ({"monthlyUsd": float("inf")}, "monthlyUsd: must be a number"),
        ({"monthlyUsd": 1e10, "dailyUsd": 1}, "monthlyUsd: must be a number"),
        ({"monthlyUsd": 10**400}, "monthlyUsd: must be a number"),
    ],
)
def test_an_invalid_limit_is_rejected(body: Any, error: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        read_limits(body)
    (reason,) = raised.value.reasons
    assert reason.startswith(error)


@pytest.mark.parametrize(
    ("scope", "name"),
    [
        ("key", "abcdefgh01234567"),
        ("caller", "arn:aws:iam::123456789012:user/a~b/ada"),
        ("caller", "x" * 1000),
        ("caller", "arn:aws-us-gov:sts::123456789012:assumed-role/web"),
        ("caller", "arn:aws:iam::123456789012:user/role/web"),
        ("team", "Search & Ads".replace("&", "+")),
    ],
)
def test_each_scope_has_its_names(scope: str, name: str) -> None:
    assert read_named_scope(scope, name) == (BudgetScope(scope), name)


@pytest.mark.parametrize(
    ("scope", "name", "error"),
    [
        ("group", "a", "scope: must be key, caller, team (got 'group')"),
        ("key", "sk-abcdefgh01234567-x", "name: must be the keyId of an API key, as GET /v1/keys returns it"),
        ("team", " a", "name: must be 1 to 128 letters"),
        ("team", "a" * 129, "name: must be 1 to 128 letters"),
        ("caller", "a\nb", "name: must be an ARN without session or an owner: 1 to 1000 characters"),
        ("caller", "x" * 1001, "name: must be an ARN"),
        ("caller", "", "name: must be an ARN"),
        (
            "caller",
            "arn:aws:iam::123456789012:role/a/web",
            "name: the caller of this role is arn:aws:sts::123456789012:assumed-role/web, without path",
        ),
        (
            "caller",
            "arn:aws:sts::123456789012:assumed-role/web/session/x",
            "name: the caller of this role is arn:aws:sts::123456789012:assumed-role/web, without path",
        ),
    ],
)
def test_another_name_is_rejected(scope: str, name: str, error: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        read_named_scope(scope, name)
    assert raised.value.reasons[0].startswith(error)
