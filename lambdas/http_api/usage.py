"""GET /v1/usage: requests, tokens and cost by caller, team, key, model and day."""

from __future__ import annotations

from datetime import UTC, datetime

from lambdas.http_api.http_response import HttpResponse
from lambdas.shared import clients
from lambdas.shared.http_request import HttpRequest
from lambdas.shared.settings import usage_table
from lambdas.usage.usage_query import read_usage_query
from lambdas.usage.usage_report import usage_report
from lambdas.usage.usage_table import UsageTable


def get(request: HttpRequest) -> HttpResponse:
    """Return the usage of the days, filters and groups of the query.

    Raises:
        InvalidRequest: the query is invalid, or its report would be too large.
    """
    now = datetime.now(UTC)
    query = read_usage_query(request.query, now=now)
    return HttpResponse(200, usage_report(UsageTable(clients.dynamodb(), usage_table()), query, now=now))
