"""Builds parts of a request that are tedious to write as dicts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from llmmanager.bedrock.exceptions.llm_manager_exceptions import RequestValidationError

if TYPE_CHECKING:
    from llmmanager.bedrock.models.converse_types import JsonSchemaDefinition, OutputConfig
    from llmmanager.message_builder_enums import CachePointTTLEnum


def build_cache_point(
    cache_type: Literal["default"] = "default", ttl: CachePointTTLEnum | Literal["5m", "1h"] | None = None
) -> Any:
    """Return a cache point: a block for messages, system and tools that ends a prefix for the prompt cache.

    Args:
        cache_type: the type of the cache point.
        ttl: for how long the prefix stays in the cache; None for five minutes.
    """
    point: dict[str, str] = {"type": str(cache_type)}
    return {"cachePoint": point if ttl is None else {**point, "ttl": str(ttl)}}


def build_json_schema_output_config(
    schema: Mapping[str, Any], *, name: str | None = None, description: str | None = None
) -> OutputConfig:
    """Return the `output_config` that makes a model answer with JSON of a schema.

    Args:
        schema: the JSON schema.
        name, description: name and description of the schema for the model, or None.

    Raises:
        RequestValidationError: the schema is empty or not a dict.
    """
    if not isinstance(schema, Mapping) or not schema:
        problem = f"schema: must be a JSON schema as a dict (got {type(schema).__name__})"
        raise RequestValidationError(problem, [problem])
    definition: JsonSchemaDefinition = {"schema": json.dumps(dict(schema))}
    if name is not None:
        definition["name"] = name
    if description is not None:
        definition["description"] = description
    return {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": definition}}}
