"""The fields `featureFallback`, `maxCostMultiple` and `outputSchema` of a request or a batch."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from llmmanager import BedrockConverseRequest, ConfigurationError
from llmmanager.json_format.codec import InvalidRequest

if TYPE_CHECKING:
    from llmmanager.bedrock.structured.output_schema import OutputSchema

FEATURE_FALLBACK = "featureFallback"
MAX_COST_MULTIPLE = "maxCostMultiple"
OUTPUT_SCHEMA = "outputSchema"

RequestT = TypeVar("RequestT", bound=BedrockConverseRequest)


def read_feature_fallback(value: Any) -> bool:
    """Return whether unsupported content and tuning parameters may be removed; True for None.

    Raises:
        InvalidRequest: the value is neither true, false nor null.
    """
    if value is None or isinstance(value, bool):
        return value is not False
    raise InvalidRequest([f"{FEATURE_FALLBACK}: must be true or false (got {value!r:.100})"])


def read_max_cost_multiple(value: Any) -> float | None:
    """Return the maximum cost of another target, as a multiple of the first model's cost; None for no limit.

    Raises:
        InvalidRequest: the value is neither a number of at least 1 nor null.
    """
    if value is None:
        return None
    if isinstance(value, int | float) and not isinstance(value, bool) and 1 <= value <= sys.float_info.max:
        return value
    raise InvalidRequest([f"{MAX_COST_MULTIPLE}: must be a number of at least 1 (got {value!r:.100})"])


def read_output_schema(value: Any) -> OutputSchema | None:
    """Return the form of the answers for a JSON schema; None for None.

    Raises:
        InvalidRequest: the schema is invalid, has unsupported keywords, or is not one of an object.
    """
    if value is None:
        return None
    if not isinstance(value, dict):
        raise InvalidRequest([f"{OUTPUT_SCHEMA}: must be a JSON Schema of an object (got {value!r:.100})"])
    # Imported here, since few requests have a schema, to keep cold starts short.
    from lambdas.shared.linear_regex import LinearRegex
    from llmmanager.bedrock.structured.output_schema import json_output_schema

    try:
        return json_output_schema(value, path=OUTPUT_SCHEMA, patterns=LinearRegex)
    except ConfigurationError as error:
        problems = (error.invalid_config or {}).get("schema")
        raise InvalidRequest(problems if isinstance(problems, list) else [error.message]) from None


def with_output_schema(request: RequestT, output: OutputSchema | None) -> RequestT:
    """Return the request with a schema for its answer; unchanged without one.

    Raises:
        InvalidRequest: the request has a format of its own, or demands the call of a tool.
    """
    if output is None:
        return request
    config: Mapping[str, Any] = request.output_config or {}
    problems = output_schema_conflicts(config, request.tool_config)
    if problems:
        raise InvalidRequest(problems)
    from llmmanager.bedrock.structured.request_form import schema_output_config

    return replace(request, output_config={**config, **schema_output_config(output)})


def without_output_schema(request: RequestT) -> RequestT:
    """Return a request of `with_output_schema` without the schema, as it is stored."""
    config: Mapping[str, Any] = request.output_config or {}
    rest: dict[str, Any] = {name: value for name, value in config.items() if name != "textFormat"}
    return replace(request, output_config=rest or None)


def output_schema_conflicts(
    output_config: Mapping[str, Any] | None, tool_config: Mapping[str, Any] | None
) -> list[str]:
    """Return the problems of a valid request that prevent a schema for its answer."""
    problems = []
    if "textFormat" in (output_config or {}):
        problems.append(f"outputConfig.textFormat: must be missing with {OUTPUT_SCHEMA}")
    choice = next(iter((tool_config or {}).get("toolChoice") or {"auto": {}}))
    if choice != "auto":
        problems.append(f'toolConfig.toolChoice: must be "auto" with {OUTPUT_SCHEMA} (got "{choice}")')
    return problems
