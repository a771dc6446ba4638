"""boto3 clients for FakeBedrock; boto3 is imported when the first one is made."""

from __future__ import annotations

import functools
import threading
from typing import Any

_LOCK = threading.Lock()


@functools.cache
def _session() -> Any:
    import boto3

    return boto3.Session(aws_access_key_id="testing", aws_secret_access_key="testing")


def make_client(service: str, *, endpoint_url: str, region: str, config: Any = None) -> Any:
    """A client that sends each request once and can have hundreds in flight; `config` is merged last."""
    from botocore.config import Config

    # Without signature_version, boto3 may send AWS_BEARER_TOKEN_BEDROCK: only a signature names the region.
    base = Config(
        signature_version="v4",
        retries={"total_max_attempts": 1, "mode": "standard"},
        max_pool_connections=512,
        proxies={},
    )
    with _LOCK:  # a Session is not safe to use from several threads
        return _session().client(
            service,
            region_name=region,
            endpoint_url=endpoint_url,
            config=base.merge(config) if config is not None else base,
        )
