"""The examples of docs/usage-and-budgets.md, with the function behind the API in this process."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from infra.stack_cost.request import request_cost
from tests.docs.run_page import examples_of

PAGE = Path(__file__).resolve().parents[4] / "docs" / "usage-and-budgets.md"


def test_the_examples_set_a_budget_and_print_the_usage(
    call: Any, add_row: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    def call_of_the_page(method: str, path: str, body: Any = None) -> Any:
        path, _, query = path.partition("?")
        parameters = dict(item.split("=") for item in query.split("&") if item)
        status, document = call(method, path, body, **parameters)
        assert status == 200
        return document

    add_row(datetime.now(UTC).date().isoformat(), requests=2, cost=3_000_000_000)
    for example in examples_of(PAGE):
        exec(example.code, {"call": call_of_the_page})

    assert capsys.readouterr().out.splitlines()[1:] == ["search m 2 3.0", "together 3.0 USD"]
    assert [budget["name"] for budget in call("GET", "/v1/budgets")[1]["budgets"]] == ["search"]


def test_the_costs_of_the_page_are_those_of_the_model() -> None:
    rows = [line.strip("| ").split(" | ") for line in PAGE.read_text("utf-8").splitlines()]
    cost_by_case = {row[0]: float(row[3]) for row in rows if len(row) == 4 and row[3][:1].isdigit()}

    def usd(limits: int) -> float:
        lines = request_cost(requests=1_000_000, latency_seconds=3, limits=limits)
        return sum(line.usd for line in lines if line.service == "DynamoDB")

    assert cost_by_case == pytest.approx(
        {
            "without a budget": usd(0),
            "with one limit": usd(1),
            "with a limit per day and per month": usd(2),
        },
        abs=0.006,
    )
