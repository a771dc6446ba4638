"""Prompts of Amazon Bedrock Prompt Management. Their ARN is sent to Converse as the model id.

Source: Amazon Bedrock user guide, "Test a prompt using Prompt management". Bedrock appends the messages of
the request to those of the prompt. A request with a prompt must not contain the fields below.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

PROMPT_FIELDS = ("system", "inferenceConfig", "toolConfig", "additionalModelRequestFields")
"""Fields of Converse that are defined in the managed prompt."""

_ARN = re.compile(r"arn:aws[a-z-]*:bedrock:[a-z0-9-]*:[0-9]*:prompt/\S+")


@lru_cache
def is_managed_prompt(model_id: str) -> bool:
    """Whether an id is the ARN of a managed prompt, or of one of its versions."""
    return _ARN.fullmatch(model_id) is not None


def without_prompt_fields(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the request without the fields that are defined in the managed prompt."""
    return {name: value for name, value in request.items() if name not in PROMPT_FIELDS}
