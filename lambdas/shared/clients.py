"""Clients for the services around Bedrock, created at their first use and then kept."""

from __future__ import annotations

import threading
from functools import cache
from typing import Any

from botocore.config import Config
from botocore.session import Session

# Parts of a batch are read this many at once.
S3_CONNECTIONS = 16

_making_one = threading.Lock()


@cache
def s3() -> Any:
    """The S3 client."""
    return _client("s3", _patient(read_timeout=30, connections=S3_CONNECTIONS))


@cache
def s3_for_links() -> Any:
    """An S3 client to presign links with."""
    # Left alone, botocore signs links as Signature Version 2, which most regions refuse, and for the global
    # host, which sends them to another one that their signature does not name.
    own_host = {"addressing_style": "virtual", "us_east_1_regional_endpoint": "regional"}
    return _client("s3", Config(signature_version="s3v4", s3=own_host))


@cache
def step_functions() -> Any:
    """The Step Functions client."""
    return _client("stepfunctions", _patient(read_timeout=8))


@cache
def dynamodb() -> Any:
    """The DynamoDB client."""
    return _client("dynamodb", _patient(read_timeout=5))


@cache
def sqs(region: str | None = None) -> Any:
    """The SQS client; of the function's own region without one."""
    return _client("sqs", _patient(read_timeout=8), region=region)


@cache
def event_bridge() -> Any:
    """The EventBridge client."""
    return _client("events", _patient(read_timeout=8))


@cache
def _session() -> Session:
    # botocore's alone: boto3 would take its import and two megabytes, and add nothing that is used here.
    return Session()


def new_hasty_dynamodb(*, read_timeout: float, attempts: int) -> Any:
    """A DynamoDB client of the caller's own, for what is better done without than waited for.

    Args:
        read_timeout: in seconds; a connection is waited for one second.
    """
    retries = {"total_max_attempts": attempts}
    return _client("dynamodb", Config(connect_timeout=1, read_timeout=read_timeout, retries=retries))


def _client(service: str, config: Config, *, region: str | None = None) -> Any:
    # A session is not for threads at once; the clients that it makes are.
    with _making_one:
        return _session().create_client(service, region_name=region, config=config)


def _patient(*, read_timeout: float, connections: int = 10) -> Config:
    return Config(
        connect_timeout=3,
        read_timeout=read_timeout,
        max_pool_connections=connections,
        retries={"mode": "standard", "total_max_attempts": 4},
    )
