"""GET /usage: what the team of a key has used, and what is left of the budgets that apply to the key."""

from __future__ import annotations

from datetime import UTC, datetime

from lambdas.api_keys.allowed_targets import check_not_expired
from lambdas.shared import clients
from lambdas.shared.settings import usage_table
from lambdas.streamed_response import StreamedResponse
from lambdas.streaming_api.api_request import ApiRequest
from lambdas.streaming_api.response_headers import json_headers
from lambdas.usage.budget_report import report_budgets
from lambdas.usage.budget_table import budget_table
from lambdas.usage.caller import Caller
from lambdas.usage.usage_query import read_usage_query
from lambdas.usage.usage_report import usage_report
from lambdas.usage.usage_table import UsageTable
from llmmanager.json_format.json_text import dump


def get_usage(request: ApiRequest) -> StreamedResponse:
    """Return the team's usage for the query, and the budgets of the key, its owner and its team.

    Raises:
        KeyNotAllowed: the key has expired.
        InvalidRequest: the query is invalid, or asks for another team.
    """
    now, identity = datetime.now(UTC), request.identity
    check_not_expired(identity, now)
    query = read_usage_query(request.http.query, now=now, fixed={"team": identity.team})
    table = UsageTable(clients.dynamodb(), usage_table())
    budgets = budget_table().find(Caller(identity.owner, identity.team, identity.key_id).scopes())
    document = {**usage_report(table, query, now=now), "budgets": report_budgets(budgets, table, now=now)}
    return StreamedResponse(200, json_headers(request.id), [dump(document)])
