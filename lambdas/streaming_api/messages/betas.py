"""The header `anthropic-beta`."""

from __future__ import annotations

from collections.abc import Sequence

from lambdas.streaming_api.model_features import reasoning_kind

INTERLEAVED_THINKING = "interleaved-thinking-2025-05-14"
"""Reasoning between tool calls. Its budget may exceed the length of one answer."""

# Features that Bedrock enables by these names, and that later models have without them. Bedrock rejects a
# request with a name that it does not know, and Claude Code sends many.
_FORWARDED = (INTERLEAVED_THINKING, "context-1m-2025-08-07")


def beta_fields(betas: Sequence[str], model_id: str) -> tuple[dict[str, list[str]], bool]:
    """Return the fields of `additionalModelRequestFields`, and whether a name is ignored.

    Args:
        betas: the names in the header.
        model_id: the first requested model.
    """
    forwarded = [name for name in _FORWARDED if name in betas]
    if reasoning_kind(model_id) != "budget":
        forwarded = []
    fields = {"anthropic_beta": forwarded} if forwarded else {}
    return fields, not set(betas) <= set(forwarded)
