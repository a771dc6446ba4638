"""Clients for the services around Bedrock. Each is created at its first use and then cached."""

from __future__ import annotations

import threading
from functools import cache
from typing import Any

from botocore.config import Config
from botocore.session import Session

# Number of parallel reads of a batch's parts.
S3_CONNECTIONS = 16
# Number of parallel calls of a process, each of which may write its usage.
DYNAMODB_CONNECTIONS = 200

_lock = threading.Lock()


@cache
def s3() -> Any:
    """The S3 client."""
    return _client("s3", _config(read_timeout=30, connections=S3_CONNECTIONS))


@cache
def s3_for_links() -> Any:
    """The S3 client for presigned links."""
    # By default, botocore signs links with Signature Version 2, which most regions reject, and for the global
    # host, whose redirect to a regional host invalidates the signature.
    regional_host = {"addressing_style": "virtual", "us_east_1_regional_endpoint": "regional"}
    return _client("s3", Config(signature_version="s3v4", s3=regional_host))


@cache
def step_functions() -> Any:
    """The Step Functions client."""
    return _client("stepfunctions", _config(read_timeout=8))


@cache
def dynamodb() -> Any:
    """The DynamoDB client."""
    return _client("dynamodb", _config(read_timeout=5))


@cache
def dynamodb_with_short_timeouts() -> Any:
    """The DynamoDB client of the catalog, of usage and of budgets, for which a call must not wait long."""
    return _client("dynamodb", _short_config(1, 2, connections=DYNAMODB_CONNECTIONS))


@cache
def bedrock(region: str) -> Any:
    """The client for managed batch jobs in a region."""
    return _client("bedrock", _config(read_timeout=20), region=region)


@cache
def sqs(region: str | None = None) -> Any:
    """The SQS client of a region; by default of the function's own region."""
    return _client("sqs", _config(read_timeout=8), region=region)


@cache
def event_bridge() -> Any:
    """The EventBridge client."""
    return _client("events", _config(read_timeout=8))


@cache
def _session() -> Session:
    # botocore only: boto3 adds import time, two megabytes, and nothing that is used here.
    return Session()


def new_short_timeout_dynamodb(*, read_timeout: float, attempts: int) -> Any:
    """Return a new DynamoDB client for calls that may fail but must not be slow.

    Args:
        read_timeout: in seconds. The connect timeout is half a second.
    """
    return _client("dynamodb", _short_config(read_timeout, attempts))


def new_short_timeout_s3(*, read_timeout: float, attempts: int) -> Any:
    """Return a new S3 client for the same kind of calls, with the same arguments."""
    return _client("s3", _short_config(read_timeout, attempts))


def _client(service: str, config: Config, *, region: str | None = None) -> Any:
    # Clients are thread-safe, but creating one is not.
    with _lock:
        return _session().create_client(service, region_name=region, config=config)


def _short_config(read_timeout: float, attempts: int, *, connections: int = 10) -> Config:
    return Config(
        connect_timeout=0.5,
        read_timeout=read_timeout,
        max_pool_connections=connections,
        retries={"mode": "standard", "total_max_attempts": attempts},
    )


def _config(*, read_timeout: float, connections: int = 10) -> Config:
    return Config(
        connect_timeout=3,
        read_timeout=read_timeout,
        max_pool_connections=connections,
        retries={"mode": "standard", "total_max_attempts": 4},
    )
