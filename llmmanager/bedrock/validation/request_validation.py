"""Validates a Converse request before it is sent."""

from __future__ import annotations

from collections.abc import Mapping

from llmmanager.bedrock.validation.conversation import check_conversation
from llmmanager.bedrock.validation.converse_schema import (
    CONVERSE_REQUEST,
    CONVERSE_STREAM_REQUEST,
    INFERENCE_CONFIG,
    PROMPT_REQUEST,
    PROMPT_STREAM_REQUEST,
)
from llmmanager.bedrock.validation.request_problems import MAX_PROBLEMS, Problems, TooManyProblems

# Keys: whether the request is for ConverseStream, and whether it is for a managed prompt.
_SCHEMAS = {
    (False, False): CONVERSE_REQUEST,
    (True, False): CONVERSE_STREAM_REQUEST,
    (False, True): PROMPT_REQUEST,
    (True, True): PROMPT_STREAM_REQUEST,
}


def validate_inference_config(config: Mapping[str, object], *, name: str) -> list[str]:
    """Return the problems of inference parameters, as `validate_request` does.

    Args:
        name: what the problems call them.
    """
    problems = Problems()
    INFERENCE_CONFIG.check(dict(config), ((), name), problems)
    return problems.found


def validate_request(
    request: Mapping[str, object], *, stream: bool = False, managed_prompt: bool = False
) -> list[str]:
    """Return the problems of a Converse request with Bedrock's keys (`modelId` is optional).

    Unknown content blocks, request fields and other members are accepted, so that new features of AWS can be
    used. A misspelled known name (`max_tokens`) is a problem.

    Args:
        request: the request. It is not changed, and bytes in it are not copied.
        stream: whether it is for ConverseStream, which accepts `guardrailConfig.streamProcessingMode`.
        managed_prompt: whether it is for a managed prompt, which contains messages and settings.

    Returns:
        One message for each problem, `path: accepted values (got value)`; empty for a valid request. If there
        are more than a thousand problems, the last message says so. Nothing is raised, also if `request` is
        not a dict or reading its values raises.
    """
    problems = Problems()
    try:
        value = dict(request) if isinstance(request, Mapping) else request
        _SCHEMAS[stream, managed_prompt].check(value, (), problems)
        if isinstance(value, dict):
            check_conversation(value, problems, after_prompt=managed_prompt)
    except TooManyProblems:
        problems.found.append(f"request: has more than the {MAX_PROBLEMS} problems listed")
    except Exception as error:  # reading a value of a caller's class can raise anything
        problems.found.append(f"request: must be plain data (reading it raised {type(error).__name__})")
    return problems.found
