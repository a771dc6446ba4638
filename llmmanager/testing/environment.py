"""The environment variables that direct AWS SDKs and command-line tools to a FakeBedrock."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping

API_KEY = "AWS_BEARER_TOKEN_BEDROCK"
# These select real credentials, other endpoints, or API keys, whose requests do not contain the region.
UNSET = (
    API_KEY,
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_SESSION_TOKEN",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    "AWS_USE_FIPS_ENDPOINT",
    "AWS_USE_DUALSTACK_ENDPOINT",
)
_LOOPBACK = "127.0.0.1,localhost"


def variables(endpoint_url: str, *, region: str, window_seconds: float) -> dict[str, str]:
    """Return the variables to set."""
    return {
        "AWS_ENDPOINT_URL_BEDROCK": endpoint_url,
        "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": endpoint_url,
        "AWS_ENDPOINT_URL_SERVICE_QUOTAS": endpoint_url,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": region,
        "LLMMANAGER_QUOTA_WINDOW_SECONDS": f"{window_seconds:g}",
    }


def exports(settings: Mapping[str, str]) -> str:
    """Return shell commands after which programs started in the shell use only `settings`."""
    exported = {
        **settings,
        "AWS_REGION": settings["AWS_DEFAULT_REGION"],
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "NO_PROXY": _LOOPBACK,
        "no_proxy": _LOOPBACK,
    }
    lines = [f"export {name}={shlex.quote(value)}" for name, value in exported.items()]
    return "\n".join((f"unset {' '.join(UNSET)}", *lines))
