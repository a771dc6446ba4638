"""boto3 clients for the services around Bedrock, created at their first use and then kept."""

from __future__ import annotations

from functools import cache
from typing import Any

import boto3
from botocore.config import Config

# Parts of a batch are read this many at once.
S3_CONNECTIONS = 16


@cache
def s3() -> Any:
    """The S3 client."""
    # botocore still presigns links as Signature Version 2 by default, which most regions refuse.
    signing = Config(signature_version="s3v4")
    return boto3.client("s3", config=_config(read_timeout=30, connections=S3_CONNECTIONS).merge(signing))


@cache
def step_functions() -> Any:
    """The Step Functions client."""
    return boto3.client("stepfunctions", config=_config(read_timeout=8))


@cache
def dynamodb() -> Any:
    """The DynamoDB client."""
    return boto3.client("dynamodb", config=_config(read_timeout=5))


@cache
def sqs(region: str | None = None) -> Any:
    """The SQS client; of the function's own region without one."""
    return boto3.client("sqs", region_name=region, config=_config(read_timeout=8))


@cache
def event_bridge() -> Any:
    """The EventBridge client."""
    return boto3.client("events", config=_config(read_timeout=8))


def _config(*, read_timeout: float, connections: int = 10) -> Config:
    return Config(
        connect_timeout=3,
        read_timeout=read_timeout,
        max_pool_connections=connections,
        retries={"mode": "standard", "total_max_attempts": 4},
    )
