"""The usage and the budgets of keys in the streaming API, against FakeBedrock and moto."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from lambdas.usage.budget import NANO_PER_USD, Budget, BudgetScope, Period
from lambdas.usage.usage_counts import UsageCounts, UsageKey, utc_day
from llmmanager.testing import Fault

CHAT = "/chat/completions"
HELLO = {"model": "Nova Lite", "messages": [{"role": "user", "content": "Hello"}]}
BODIES = {
    CHAT: HELLO,
    "/responses": {"model": "Nova Lite", "input": "Hello"},
    "/messages": {**HELLO, "max_tokens": 50},
}
NOVA_LITE = "amazon.nova-lite-v1:0"


@pytest.fixture
def recorded(deployed: Any) -> Callable[[], dict[UsageKey, UsageCounts]]:
    """Returns today's rows of the usage table."""

    def rows() -> dict[UsageKey, UsageCounts]:
        return dict(_usage_table().rows([utc_day(datetime.now(UTC))]))

    return rows


@pytest.fixture
def set_budget(deployed: Any) -> Callable[..., None]:
    """Sets the daily budget of the team of the key, in USD."""

    def set_budget(usd: float) -> None:
        from lambdas.usage.budget_table import budget_table

        limits = {Period.DAY: round(usd * NANO_PER_USD)}
        now = datetime.now(UTC)
        budget_table().put(
            Budget(scope=BudgetScope.TEAM, name="search", limits=limits, updated=now, updated_by="admin")
        )

    return set_budget


def _usage_table() -> Any:
    from lambdas.usage.spending import ledger
    from lambdas.usage.usage_table import UsageTable

    return UsageTable(ledger().client, ledger().table)


def spending() -> Any:
    """Return what the team has spent and reserved today."""
    from lambdas.usage.budget_table import budget_table
    from lambdas.usage.period_limit import period_limits

    budgets = budget_table().find([(BudgetScope.TEAM, "search")])
    [found] = _usage_table().spending(period_limits(budgets, datetime.now(UTC)))
    return found


@pytest.mark.parametrize("path", BODIES)
@pytest.mark.parametrize("stream", [False, True])
def test_each_answer_counts_once_for_the_key_its_owner_and_its_team(api, deployed, recorded, path, stream):
    received = api().post(path, {**BODIES[path], "stream": stream})

    assert received.status == 200
    [(key, counts)] = recorded().items()
    assert (key.caller, key.team, key.key_id, key.model) == ("ana", "search", "key1", NOVA_LITE)
    assert (counts.requests, counts.failures, counts.unconfirmed_attempts) == (1, 0, 0)
    billed = deployed.billed
    assert (counts.input_tokens, counts.output_tokens) == (billed.input_tokens, billed.output_tokens)
    assert deployed.calls[-1].body["requestMetadata"] == {"caller": "ana", "team": "search"}


@pytest.mark.parametrize("stream", [False, True])
def test_a_key_over_its_budget_gets_insufficient_quota_without_a_call(api, deployed, set_budget, stream):
    set_budget(0.000001)

    received = api().post(CHAT, {**HELLO, "stream": stream})

    assert received.status == 429
    assert received.document["error"]["code"] == "insufficient_quota"
    assert received.headers["x-should-retry"] == "false"
    assert not deployed.calls


def test_anthropics_clients_get_a_rate_limit_error_that_names_the_budget(api, set_budget):
    set_budget(0.000001)

    received = api().post("/messages", BODIES["/messages"])

    error = received.document["error"]
    assert received.status == 429
    assert (error["type"], error["details"]["error_code"]) == ("rate_limit_error", "insufficient_quota")
    assert "daily budget of team 'search'" in error["message"]


@pytest.mark.parametrize("stream", [False, True])
def test_a_budgeted_call_reserves_and_then_pays_what_it_used(api, recorded, set_budget, stream):
    set_budget(1)

    api().post(CHAT, {**HELLO, "stream": stream})

    [counts] = recorded().values()
    assert spending().reserved == 0
    assert spending().committed == counts.cost > 0


@pytest.mark.parametrize("path", [CHAT, "/responses"])
def test_a_budgeted_request_without_a_maximum_length_gets_one(api, deployed, set_budget, path):
    set_budget(1)

    api().post(path, BODIES[path])

    assert deployed.calls[-1].body["inferenceConfig"]["maxTokens"] == 4096


def test_a_budgeted_request_keeps_its_own_maximum_length(api, deployed, set_budget):
    set_budget(1)

    api().post(CHAT, {**HELLO, "max_tokens": 20})

    assert deployed.calls[-1].body["inferenceConfig"]["maxTokens"] == 20


def test_a_stream_that_is_closed_before_its_first_piece_is_settled(api, deployed, recorded, set_budget):
    set_budget(1)
    opened = api().open("POST", CHAT, {**HELLO, "stream": True})

    opened.body.close()

    [counts] = recorded().values()
    assert counts.unconfirmed_attempts == 1
    assert spending().reserved == 0
    assert spending().committed == counts.max_cost > 0


def test_a_stream_that_continues_elsewhere_is_counted_at_least_as_billed(api, deployed, recorded, set_budget):
    set_budget(1)
    deployed.add_fault(Fault(error="modelStreamErrorException", region="us-east-1", after_chunks=2, count=1))

    received = api().post(CHAT, {**HELLO, "stream": True})

    assert received.events[-1] == "[DONE]"
    total = sum(recorded().values(), UsageCounts())
    assert total.max_output_tokens >= deployed.billed.output_tokens
    assert total.max_input_tokens >= deployed.billed.input_tokens
    assert (total.requests, total.unconfirmed_attempts) == (1, 1)
    assert spending().reserved == 0


@pytest.mark.parametrize("path", BODIES)
def test_a_stream_whose_continuation_the_budget_does_not_allow_ends_with_the_reason(
    api, deployed, set_budget, path
):
    deployed.add_fault(Fault(error="modelStreamErrorException", after_chunks=2))
    # One attempt of at most 4,096 tokens at 0.24 USD per million fits, and two do not.
    set_budget(0.0015)
    length = {"max_tokens": 4096} if path == "/messages" else {}

    received = api().post(path, {**BODIES[path], **length, "stream": True})

    last = received.events[-1]
    error = last.get("response", last)["error"]
    assert "insufficient_quota" in (error.get("code"), error.get("details", {}).get("error_code"))
    assert "daily budget of team 'search'" in error["message"]
    assert len(deployed.calls) == 1
    assert spending().committed <= 0.0015 * NANO_PER_USD
