"""Who runs under a quota: this library with its defaults, and each rival with several configurations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.benchmarks.quota_outcome import Contender
from tests.benchmarks.sides import Side

OURS = Contender(Side("LLMManager", "quota_llmmanager", "library", ""), "default settings")
_LITELLM = Side("LiteLLM Router", "quota_litellm", "litellm", "")
_LANGCHAIN = Side("ChatBedrockConverse", "quota_langchain", "langchain", "")
_BOTO3 = Side("boto3", "quota_boto3", "library", "")
_PATIENT = "`num_retries=10`, a retry policy of 10 retries, no cooldowns"


def _litellm(
    described: str, *, patient: bool = True, deployment: dict[str, Any] | None = None, **router: Any
) -> Contender:
    """Return a configuration of Router.

    Args:
        patient: whether it gets a retry policy, which lets it retry while its only deployment cools down, and
            no cooldowns.
    """
    settings: dict[str, Any] = {"router": {"num_retries": 10, **router}, "deployment": deployment or {}}
    if patient:
        settings["router"]["disable_cooldowns"] = True
        settings["rate_limit_retries"] = 10
    return Contender(_LITELLM, described, settings)


def _botocore(side: Side, described: str, *, mode: str, attempts: int, outer: int = 0) -> Contender:
    """Return a configuration that botocore retries, and `with_retry` around it unless `outer` is 0."""
    retries = {"mode": mode, "max_attempts": attempts}
    return Contender(side, described, {"retries": retries, "attempts": outer})


# The first configuration of each rival is the one that runs when none is tried.
RIVALS: Sequence[Sequence[Contender]] = (
    (
        _litellm(_PATIENT),
        _litellm("`num_retries=10`", patient=False),
        _litellm(f"{_PATIENT}, `retry_after=2`", retry_after=2),
        _litellm(f"{_PATIENT}, `max_parallel_requests=16`", deployment={"max_parallel_requests": 16}),
        _litellm(
            f"{_PATIENT}, `usage-based-routing-v2` with the quota as `tpm`",
            deployment={"tpm": 48_000},
            routing_strategy="usage-based-routing-v2",
        ),
    ),
    (
        _botocore(_LANGCHAIN, "`batch`, `adaptive` mode, 10 retries", mode="adaptive", attempts=10),
        _botocore(
            _LANGCHAIN,
            "`batch`, `adaptive` mode, 10 retries, and `with_retry` of 10 attempts",
            mode="adaptive",
            attempts=10,
            outer=10,
        ),
    ),
    (
        _botocore(_BOTO3, "threads, `adaptive` mode, 10 retries", mode="adaptive", attempts=10),
        _botocore(_BOTO3, "threads, `adaptive` mode, 20 retries", mode="adaptive", attempts=20),
    ),
)
