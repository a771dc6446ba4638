"""The parts of `LLMManager.parse`, and the output configuration of requests whose answers are parsed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llmmanager.bedrock.exceptions.llm_manager_exceptions import ConfigurationError
from llmmanager.bedrock.models.bedrock_response import BedrockResponse
from llmmanager.bedrock.models.parsed_response import ParsedResponse
from llmmanager.bedrock.structured.output_schema import output_schema
from llmmanager.bedrock.structured.request_form import DEFAULT_RETRIES, schema_output_config


def structured_output(
    schema: type[Any] | Mapping[str, Any], *, retries: int = DEFAULT_RETRIES
) -> dict[str, Any]:
    """Return the `output_config` of a request whose answer must follow a schema.

    For requests of `ParallelLLMManager`, and for `LLMManager.converse`. The response is a `ParsedResponse`,
    or has `success=False` and a `StructuredOutputError` in `error`. For one request, `LLMManager.parse` does
    the same with typed results.

    Args:
        schema: a dataclass, a TypedDict, a pydantic model, or a JSON schema of an object.
        retries: how often a model is called again after an answer that does not follow the schema.

    Raises:
        ConfigurationError: the schema is invalid or not supported, or the retries are not an integer of at
            least 0.
    """
    if isinstance(retries, bool) or not isinstance(retries, int) or retries < 0:
        raise ConfigurationError(
            f"retries must be an integer of at least 0 (got {retries!r})", {"retries": retries}
        )
    return schema_output_config(output_schema(schema), retries=retries)


def with_schema(schema: Any, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keyword arguments of `LLMManager.converse` for an answer that follows a schema.

    Args:
        parameters: the keyword arguments without the schema.

    Raises:
        ConfigurationError: the schema is invalid, or `output_config` has a format of its own.
    """
    given = parameters.get("output_config") or {}
    if not isinstance(given, Mapping) or "textFormat" in given:
        raise ConfigurationError(
            "output_config must be a dict without textFormat, which is set from the schema",
            {"output_config": given},
        )
    return {**parameters, "output_config": {**given, **structured_output(schema)}}


def parsed_response(response: BedrockResponse) -> ParsedResponse[Any]:
    """Return the response to a call with a schema if its answer follows the schema.

    Raises:
        StructuredOutputError: no answer follows the schema.
        ConfigurationError: the call was sent without the schema.
    """
    if isinstance(response, ParsedResponse):
        return response
    raise response.error or ConfigurationError("extra_request_fields must not replace outputConfig")
