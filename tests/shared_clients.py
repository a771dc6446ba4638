"""Clients that several tests of a process share. Creating a client takes longer than a call to moto."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import boto3
from botocore.config import Config


class SharedClientsSession(boto3.Session):
    """A session that creates one client per service and region."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._shared: dict[str, Any] = {}

    def client(self, service_name: str, **options: Any) -> Any:
        if options.keys() - {"region_name"} or _has_endpoints():
            return super().client(service_name, **options)
        key = f"{service_name} {options}"
        if key not in self._shared:
            self._shared[key] = super().client(service_name, **options)
        return self._shared[key]


def shared_clients(create: Callable[..., Any]) -> Callable[..., Any]:
    """Return a replacement of `lambdas.shared.clients._client` that creates one client per configuration."""
    shared: dict[str, Any] = {}

    def client(service: str, config: Config, *, region: str | None = None) -> Any:
        if _has_endpoints():
            return create(service, config, region=region)
        key = f"{service} {region} {config._user_provided_options} {_aws_variables()}"
        if key not in shared:
            shared[key] = create(service, config, region=region)
        return shared[key]

    return client


def _has_endpoints() -> bool:
    """Whether the environment has endpoints: servers of a single test."""
    return any(name.startswith("AWS_ENDPOINT_URL") for name in os.environ)


def _aws_variables() -> list[tuple[str, str]]:
    return sorted(item for item in os.environ.items() if item[0].startswith("AWS_"))
