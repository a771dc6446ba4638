"""The error for a request that reserves more tokens than the known quota of any target."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llmmanager.bedrock.catalog.catalog_entries import ModelAccess
from llmmanager.bedrock.exceptions.llm_manager_exceptions import RequestValidationError
from llmmanager.bedrock.invocation.quota_cost import max_output_tokens
from llmmanager.bedrock.routing.quota_pacing import Oversize


def oversized_request(oversize: Oversize[ModelAccess], request: Mapping[str, Any]) -> RequestValidationError:
    """Return the error, about the target with the largest quota.

    Args:
        request: the request for that target.
    """
    target, output = oversize.target, max_output_tokens(request, oversize.target.model_id)
    is_set = "maxTokens" in (request.get("inferenceConfig") or {})
    problem = (
        f"inferenceConfig.maxTokens: the request reserves {oversize.tokens:,} tokens "
        f"({oversize.tokens - output:,} of input and {'' if is_set else 'the maximum output of '}"
        f"{output:,}), more than the quota of {oversize.quota:,.0f} tokens per minute of {target.model_name} "
        f"in {target.region} ({target.access_method}); set "
        f"{'a lower maxTokens' if is_set else 'maxTokens'}, shorten the input or request a higher quota"
    )
    return RequestValidationError(f"The request exceeds the quota of every target: {problem}", [problem])
