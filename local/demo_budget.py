"""The part of the demo that uses up the budget of an API key, and prints the usage of all callers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import Any

from llmmanager.testing import Call
from local.checks import Check, check_equal
from local.deployed_stack import Stack
from local.report import table
from local.running import LocalRun
from local.steps import Steps

OWNER = "ana"
MODEL = "Nova Lite"
PROMPT = "In one sentence: what is a budget?"
MAX_TOKENS = 100
# Enough for some answers, each of which costs about an eighth of it.
DAILY_USD = 0.0002
MAX_REQUESTS = 20
QUOTA = "insufficient_quota"


@dataclass(frozen=True)
class Answers:
    """What the client received until a request was rejected.

    Attributes:
        tokens: the tokens of each answer.
        error_code: the code of the last response; None if no request was rejected.
        reason: its message.
    """

    tokens: tuple[int, ...]
    error_code: str | None = None
    reason: str = ""


def show_budget(run: LocalRun, steps: Steps) -> list[Check]:
    """Create an API key with a budget, send requests until it is used up, and print the usage."""
    steps.print(f"\nA budget: an API key that may spend ${DAILY_USD:.4f} a day, PUT /v1/budgets/key/...")
    api = run.stack.api
    key = api.post("/v1/keys", {"owner": OWNER, "team": "demo"}).expect(201)
    path = f"/v1/budgets/key/{key['keyId']}"
    api.call("PUT", path, json.dumps({"dailyUsd": DAILY_USD})).expect(200)
    before = len(run.bedrock.calls)
    with steps.step("budget used up"):
        answers = ask_until_rejected(str(run.streaming_url), str(key["key"]))
    calls = run.bedrock.calls[before:]
    budget = api.get(path).expect(200)["day"]
    first, *others = wrap(answers.reason, 90) or [""]
    rows = [
        ("answered", f"{len(answers.tokens)} requests, {sum(answers.tokens)} tokens"),
        ("then", f"429 {answers.error_code}"),
        ("reason", first),
        *(("", line) for line in others),
        ("budget", f"${budget['spent']:.7f} spent, ${budget['left']:.7f} left"),
    ]
    steps.print(table(rows, indent="    "))
    return list(budget_checks(answers, calls=calls, budget=budget, usage=show_usage(run.stack, steps)))


def ask_until_rejected(base_url: str, key: str) -> Answers:
    """Send requests with the `openai` client until the API answers with status 429."""
    # Imported here, because it takes a second.
    from openai import OpenAI, RateLimitError

    client = OpenAI(base_url=base_url, api_key=key)
    tokens: list[int] = []
    for _ in range(MAX_REQUESTS):
        try:
            answer = client.chat.completions.create(
                model=MODEL, messages=[{"role": "user", "content": PROMPT}], max_tokens=MAX_TOKENS
            )
        except RateLimitError as error:
            message = error.body["message"] if isinstance(error.body, dict) else str(error)
            return Answers(tuple(tokens), error.code, message)
        tokens.append(answer.usage.total_tokens if answer.usage else 0)
    return Answers(tuple(tokens))


def show_usage(stack: Stack, steps: Steps) -> list[dict[str, Any]]:
    """Print the usage of all callers so far; return its rows."""
    steps.print("\nUsage: GET /v1/usage?groupBy=team,caller,model")
    usage: list[dict[str, Any]] = stack.api.get("/v1/usage?groupBy=team,caller,model").expect(200)["rows"]
    names, counts = ("team", "caller", "model"), ("requests", "inputTokens", "outputTokens")
    rows: list[tuple[str, ...]] = [(*names, "requests", "input tokens", "output tokens", "cost")]
    for row in usage:
        texts = (*(row[name] or "-" for name in names), *(str(row[name]) for name in counts))
        rows.append((*texts, f"${row['costUsd']:.7f}"))
    steps.print(table(rows, indent="    "))
    return usage


def budget_checks(
    answers: Answers,
    *,
    calls: Sequence[Call],
    budget: Mapping[str, Any],
    usage: Sequence[Mapping[str, Any]],
) -> Iterator[Check]:
    """Yield the checks of the budget.

    Args:
        calls: calls that FakeBedrock received for the key with the budget.
        budget: its state as GET /v1/budgets/{scope}/{name} returns it.
        usage: rows of the usage of all callers.
    """
    (own,) = (row for row in usage if row["caller"] == OWNER)
    billed = [
        sum((call.usage or {}).get(name, 0) for call in calls) for name in ("inputTokens", "outputTokens")
    ]
    yield check_equal("a request that the key's budget does not allow is rejected", QUOTA, answers.error_code)
    yield check_equal("the rejected request causes no call to Bedrock", len(answers.tokens), len(calls))
    is_kept = 0 < budget["spent"] <= budget["limit"] and budget["reserved"] == 0
    yield Check("the key spends part of its budget, and nothing stays reserved", is_kept, json.dumps(budget))
    yield check_equal("budget and usage have the same cost", budget["spent"], own["costUsd"])
    yield check_equal(
        "usage and FakeBedrock's log have the same number of tokens",
        billed,
        [own["inputTokens"], own["outputTokens"]],
    )
