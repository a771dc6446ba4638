"""Creates boto3 clients for FakeBedrock and the S3 of its batch jobs.

boto3 is imported when the first client is created.
"""

from __future__ import annotations

import functools
import threading
from typing import Any

_LOCK = threading.Lock()


@functools.cache
def _session() -> Any:
    import boto3

    return boto3.Session(aws_access_key_id="testing", aws_secret_access_key="testing")


def make_client(
    service: str, *, endpoint_url: str, region: str, config: Any = None, **options: str | None
) -> Any:
    """Return a client without retries and with 512 connections. `config` overrides its settings.

    `options` are further arguments of boto3's `Session.client`.
    """
    from botocore.config import Config

    # Without signature_version, boto3 may send AWS_BEARER_TOKEN_BEDROCK, which does not contain the region.
    base = Config(
        signature_version="v4",
        retries={"total_max_attempts": 1, "mode": "standard"},
        max_pool_connections=512,
        proxies={},
    )
    with _LOCK:  # a Session is not thread-safe
        return _session().client(
            service,
            region_name=region,
            endpoint_url=endpoint_url,
            config=base.merge(config) if config is not None else base,
            **options,
        )
