"""What Lambda gives to a function: a context, and an environment that keeps things between calls."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

import boto3
import pytest


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


@pytest.fixture
def cold_start() -> Callable[[], None]:
    """Makes the next call the first of its execution environment: what functions have kept is gone."""

    def forget() -> None:
        for name, module in list(sys.modules.items()):
            if name.startswith("lambdas."):
                for kept in list(vars(module).values()):
                    if hasattr(kept, "cache_clear"):
                        kept.cache_clear()

    return forget


@pytest.fixture(scope="session")
def session() -> boto3.Session:
    """One for all tests: a new one reads botocore's descriptions of the services again."""
    return boto3.Session("testing", "testing", region_name="us-east-1")
