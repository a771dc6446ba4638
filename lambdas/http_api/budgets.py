"""GET /v1/budgets, and GET, PUT and DELETE /v1/budgets/{scope}/{name}: budgets of keys, callers and teams."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, unquote

from lambdas.http_api.http_response import HttpResponse
from lambdas.shared import clients
from lambdas.shared.http_request import HttpRequest
from lambdas.shared.problems import Problem, not_found
from lambdas.shared.settings import usage_table
from lambdas.shared.time_text import format_time
from lambdas.usage.budget import Budget, NamedScope
from lambdas.usage.budget_report import report_budgets
from lambdas.usage.budget_request import read_limits, read_named_scope
from lambdas.usage.budget_table import InvalidBudgetToken, budget_table
from lambdas.usage.usage_table import UsageTable
from llmmanager.json_format.codec import InvalidRequest


def list_budgets(request: HttpRequest) -> HttpResponse:
    """Return a page of budgets, in the order of scope and name.

    Raises:
        InvalidRequest: `limit` or `nextToken` is invalid.
    """
    try:
        page = budget_table().page(limit=request.page_limit(), token=request.query("nextToken"))
    except InvalidBudgetToken:
        raise InvalidRequest(["nextToken: must be the nextToken of an earlier page"]) from None
    more = {"nextToken": page.token} if page.token else {}
    return HttpResponse(200, {"budgets": _encode(page.budgets), **more})


def get(request: HttpRequest) -> HttpResponse:
    """Return a budget.

    Raises:
        InvalidRequest: scope or name is invalid.
        Problem: the scope has no budget.
    """
    scope = _named_scope(request)
    budget = budget_table().get(*scope)
    if budget is None:
        raise _no_budget(scope)
    return _found(budget)


def put(request: HttpRequest) -> HttpResponse:
    """Set a budget, which replaces the one that the scope has, and return it. The next call is subject to it.

    Raises:
        InvalidRequest: scope, name or body is invalid.
    """
    scope, name = _named_scope(request)
    limits = read_limits(request.body())
    budget = Budget(
        scope=scope, name=name, limits=limits, updated=datetime.now(UTC), updated_by=request.caller
    )
    budget_table().put(budget)
    return _found(budget)


def delete(request: HttpRequest) -> HttpResponse:
    """Delete a budget and return it. What was spent stays in the usage.

    Raises:
        InvalidRequest: scope or name is invalid.
        Problem: the scope has no budget.
    """
    scope = _named_scope(request)
    budget = budget_table().delete(*scope)
    if budget is None:
        raise _no_budget(scope)
    return _found(budget)


def _named_scope(request: HttpRequest) -> NamedScope:
    parameters = request.path_parameters
    return read_named_scope(parameters["scope"], unquote(parameters["name"]))


def _found(budget: Budget) -> HttpResponse:
    return HttpResponse(200, _encode([budget])[0])


def _encode(budgets: Sequence[Budget]) -> list[dict[str, Any]]:
    table = UsageTable(clients.dynamodb(), usage_table())
    return [
        {
            **report,
            "updatedAt": format_time(budget.updated),
            "updatedBy": budget.updated_by,
            "links": {"self": f"/v1/budgets/{budget.scope.value}/{quote(budget.name, safe='')}"},
        }
        for budget, report in zip(budgets, report_budgets(budgets, table, now=datetime.now(UTC)), strict=True)
    ]


def _no_budget(scope: NamedScope) -> Problem:
    return not_found(f"a budget of {scope[0].value} {scope[1]}")
