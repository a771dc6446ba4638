"""A response of the HTTP API."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class HttpResponse:
    """A response; its body is JSON-ready data."""

    status: int
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)
