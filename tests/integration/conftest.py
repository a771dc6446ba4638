"""What Lambda gives to a function: a context, and an environment that keeps things between calls."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

import boto3
import pytest

from lambdas.shared import clients
from tests.shared_clients import SharedClientsSession, shared_clients


@dataclass
class Context:
    """What Lambda hands to a function, with the time that a test gives it."""

    seconds: float = 900
    function_name: str = "function-of-the-test"
    memory_limit_in_mb: int = 1024
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:123456789012:function:function-of-the-test"
    aws_request_id: str = "request-of-the-test"

    def get_remaining_time_in_millis(self) -> int:
        return int(self.seconds * 1000)


@pytest.fixture
def make_context() -> type[Context]:
    """Return a function that creates a context with the given seconds left, 900 by default."""
    return Context


create_client = shared_clients(clients._client)


@pytest.fixture
def cold_start(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Makes the next call the first of its execution environment: what functions have kept is gone.

    The functions then get the clients again that earlier tests have created.
    """
    monkeypatch.setattr(clients, "_client", create_client)

    def forget() -> None:
        for name, module in list(sys.modules.items()):
            if name.startswith("lambdas."):
                for kept in list(vars(module).values()):
                    if hasattr(kept, "cache_clear"):
                        kept.cache_clear()

    return forget


@pytest.fixture(scope="session")
def session() -> boto3.Session:
    """One for all tests, with their clients."""
    return SharedClientsSession("testing", "testing", region_name="us-east-1")
