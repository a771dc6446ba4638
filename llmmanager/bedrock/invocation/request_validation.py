"""Finds what is wrong with a Converse request before it costs a call."""

from __future__ import annotations

from collections.abc import Mapping

from llmmanager.bedrock.invocation.request_conversation import check_conversation
from llmmanager.bedrock.invocation.request_problems import MAX_PROBLEMS, Problems, TooManyProblems
from llmmanager.bedrock.invocation.request_shapes import (
    CONVERSE_REQUEST,
    CONVERSE_STREAM_REQUEST,
    PROMPT_REQUEST,
    PROMPT_STREAM_REQUEST,
)

__all__ = ["validate_request"]


# By whether the request is for ConverseStream, and for a managed prompt.
_SHAPES = {
    (False, False): CONVERSE_REQUEST,
    (True, False): CONVERSE_STREAM_REQUEST,
    (False, True): PROMPT_REQUEST,
    (True, True): PROMPT_STREAM_REQUEST,
}


def validate_request(
    request: Mapping[str, object], *, stream: bool = False, managed_prompt: bool = False
) -> list[str]:
    """Return everything that is wrong with a Converse request (Bedrock's own keys; `modelId` is optional).

    Content blocks, request fields and other members that this version does not know are accepted, so that
    what AWS adds next can be used; a known name in another spelling (`max_tokens`) is reported.

    Args:
        request: the request. It is not changed, and bytes in it are not copied.
        stream: whether it is for ConverseStream, which accepts `guardrailConfig.streamProcessingMode`.
        managed_prompt: whether it is for a managed prompt, which has messages and settings of its own.

    Returns:
        One sentence a problem, `path: what the field takes (got what was given)`; empty for a valid
        request. After the first thousand, one last sentence says that there are more. Nothing is raised,
        even when `request` is not a dict or its values raise.
    """
    problems = Problems()
    try:
        value = dict(request) if isinstance(request, Mapping) else request
        _SHAPES[stream, managed_prompt].check(value, (), problems)
        if isinstance(value, dict):
            check_conversation(value, problems, after_prompt=managed_prompt)
    except TooManyProblems:
        problems.found.append(f"request: has more problems than the {MAX_PROBLEMS} listed")
    except Exception as error:  # a value of some class may raise whenever it is looked at
        problems.found.append(f"request: must be plain data (reading it raised {type(error).__name__})")
    return problems.found
