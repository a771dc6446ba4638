"""Which lanes the request of a record can use.

The functions depend on the request only, so they can be called again in each step of a batch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

JOB_FIELDS = frozenset(
    (
        "messages",
        "system",
        "inferenceConfig",
        "additionalModelRequestFields",
        "additionalModelResponseFieldPaths",
        "requestMetadata",
    )
)
"""The fields of a request in a managed batch job. A record with another field does not run in a job.

Bedrock rejects tools, structured output, guardrails and cache points in a job, and a job has no service tier
and no latency setting. `extraRequestFields` can have any of these.
"""

# It only sorts the records of a shard, and has no meaning for Bedrock.
_IGNORED_FIELDS = frozenset(("priority",))
# A job reads media only from its own input folder.
_JOB_OBSTACLES = frozenset(("cachePoint", "s3Location", "toolUse", "toolResult", "guardContent"))
_FLEX_OBSTACLES = ("serviceTier", "performanceConfig")


def managed_obstacle(model_input: Mapping[str, Any]) -> str | None:
    """Return the name of a field or block that keeps a record out of managed batch jobs, or None.

    Args:
        model_input: the `modelInput` of a line of a shard. Members that are None count as missing.
    """
    for name, value in model_input.items():
        if value is not None and name not in JOB_FIELDS and name not in _IGNORED_FIELDS:
            return name
    if not model_input.get("messages"):
        return "messages"  # Only a managed prompt can do without.
    return _find((model_input.get("system"), model_input.get("messages")))


def flex_obstacle(model_input: Mapping[str, Any]) -> str | None:
    """Return the name of a field that the flex tier would replace or does not support, or None.

    Args:
        model_input: the `modelInput` of a line of a shard. Members that are None count as missing.
    """
    extra = model_input.get("extraRequestFields") or {}
    for name in _FLEX_OBSTACLES:
        if model_input.get(name) is not None or name in extra:
            return name
    return None


def _find(values: Iterable[Any]) -> str | None:
    """Return the name of the first member in content blocks that a job does not support, or None."""
    for value in values:
        members: Iterable[Any] = ()
        if isinstance(value, Mapping):
            for name, member in value.items():
                if name in _JOB_OBSTACLES and member is not None:
                    return str(name)
            members = value.values()
        elif isinstance(value, list | tuple):
            members = value
        if found := _find(members):
            return found
    return None
