"""A process whose threads call a model under one budget. `test_concurrency.py` starts and kills it.

Usage: python -m tests.integration.lambdas.usage.spending_worker URL TABLE NAME THREADS CALLS
"""

from __future__ import annotations

import json
import sys
import threading
from collections import Counter
from typing import Any

from botocore.config import Config
from botocore.session import Session

from lambdas.shared.outage import Outage
from lambdas.usage.budget_exceeded import BudgetExceeded
from lambdas.usage.budget_table import BudgetTable
from lambdas.usage.call_recording import recorded
from lambdas.usage.caller import Caller
from lambdas.usage.ledger import Ledger
from lambdas.usage.spending import CallSpending
from llmmanager import BedrockConverseRequest, LLMManager

_ASK = BedrockConverseRequest(messages="What is the capital of France?", inference_config={"maxTokens": 100})
# The machine may be slow, and a reservation must not fail for that.
_PATIENCE_SECONDS = 120.0


def main(url: str, table: str, name: str, *, threads: int, calls: int) -> None:
    """Make the calls, and print how many were answered and refused."""
    config = Config(max_pool_connections=threads, read_timeout=_PATIENCE_SECONDS)
    client = Session().create_client("dynamodb", endpoint_url=url, config=config)
    ledger = Ledger(client, table, seconds=_PATIENCE_SECONDS)
    budgets = BudgetTable(client, table, s3=_no_s3, bucket="", outage=Outage())
    manager = LLMManager(["Nova Lite"], ["us-east-1"])
    outcomes: Counter[str] = Counter()
    lock = threading.Lock()

    def work() -> None:
        for _ in range(calls):
            outcome = _call(manager, ledger, budgets, Caller(name, "search"))
            with lock:
                outcomes[outcome] += 1

    running = [threading.Thread(target=work) for _ in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    print(json.dumps(outcomes))


def _call(manager: LLMManager, ledger: Ledger, budgets: BudgetTable, caller: Caller) -> str:
    spending = CallSpending(caller, ledger=ledger, budgets=budgets.find(caller.scopes()))
    try:
        recorded(
            lambda: manager.converse_with_request(_ASK, before_attempt=spending.before_attempt),
            spending,
            entry_point="http",
        )
    except BudgetExceeded:
        return "refused"
    return "answered"


def _no_s3() -> Any:
    raise AssertionError("the table of budgets is available")


if __name__ == "__main__":
    main(*sys.argv[1:4], threads=int(sys.argv[4]), calls=int(sys.argv[5]))
