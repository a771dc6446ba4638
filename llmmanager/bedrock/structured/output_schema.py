"""The form that an answer must have: its JSON schema, and the type of its value."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, is_typeddict

from llmmanager.bedrock.exceptions.llm_manager_exceptions import ConfigurationError
from llmmanager.bedrock.structured.json_schema import schema_problems, violations
from llmmanager.bedrock.structured.schema_edits import with_resolved_root
from llmmanager.bedrock.structured.search_patterns import Patterns, backtracking_pattern
from llmmanager.bedrock.transport.json_body import json_body

# A model needs the first reasons only, and pays for each.
_MAX_REASONS = 10


class InvalidAnswer(Exception):
    """The value does not follow the schema. The message has the reasons, for the model."""


@dataclass(frozen=True, slots=True)
class OutputSchema:
    """The form of an answer.

    Attributes:
        name: the name of the schema.
        description: what the answer is, or "".
        schema: the JSON schema, of an object.
        read: returns the value for the parsed JSON of an answer. Raises InvalidAnswer.
    """

    name: str
    description: str
    schema: Mapping[str, Any]
    read: Callable[[Any], Any]


def output_schema(given: Any) -> OutputSchema:
    """Return the form for a dataclass, a TypedDict, a pydantic model or a JSON schema.

    Raises:
        ConfigurationError: the schema is something else, or invalid, or not a schema of an object.
    """
    if isinstance(given, Mapping):
        return json_output_schema(given)
    if isinstance(given, type) and hasattr(given, "model_json_schema") and hasattr(given, "model_validate"):
        return _pydantic_schema(given)
    if (isinstance(given, type) and dataclasses.is_dataclass(given)) or is_typeddict(given):
        return _type_schema(given)
    raise ConfigurationError(
        "schema must be a dataclass, a TypedDict, a pydantic model, or a JSON schema as a dict "
        f"(got {given!r:.100})",
        {"schema": type(given).__name__},
    )


def json_output_schema(
    schema: Mapping[str, Any], *, path: str = "schema", patterns: Patterns = backtracking_pattern
) -> OutputSchema:
    """Return the form for a JSON schema. The value of an answer is a dict.

    Args:
        path: the path of the schema, for errors.
        patterns: compiles the schema's patterns, as for `violations`.

    Raises:
        ConfigurationError: the schema is invalid or not one of an object. `invalid_config` has its problems.
    """
    try:
        # Numbers as names become text, and tuples become lists, as in the schema that is sent.
        schema = json.loads(json_body(dict(schema)))
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigurationError(f"{path}: must be plain JSON ({error})", {"schema": path}) from error
    problems = schema_problems(schema, path, patterns=patterns)
    plain = with_resolved_root(schema) if not problems else {}
    if not problems and plain.get("type") != "object":
        problems = [f'{path}.type: must be "object"; put a list or another value into a property']
    if problems:
        raise ConfigurationError("; ".join(problems), {"schema": problems})

    def read(value: Any) -> Any:
        _check(value, plain, patterns)
        return value

    title = plain.get("title")
    return OutputSchema(
        title if isinstance(title, str) and title else "answer", _description(plain), plain, read
    )


def _type_schema(given: Any) -> OutputSchema:
    # Imported here, since only these schemas need it.
    from llmmanager.bedrock.structured.type_schema import type_form

    form = type_form(given)
    problems = schema_problems(form.schema, given.__name__)
    if problems:
        raise ConfigurationError("; ".join(problems), {"schema": problems})

    def read(value: Any) -> Any:
        _check(value, form.schema, backtracking_pattern)
        try:
            return form.convert(value)
        except (ValueError, TypeError) as error:
            raise InvalidAnswer(f"answer: {error}") from error

    return OutputSchema(given.__name__, _description(form.schema), form.schema, read)


def _pydantic_schema(given: Any) -> OutputSchema:
    schema = with_resolved_root(given.model_json_schema())
    if schema.get("type") != "object":
        raise ConfigurationError(
            f"schema: {given.__name__} must be a model of an object; put another value into a field",
            {"schema": given.__name__},
        )

    def read(value: Any) -> Any:
        try:
            return given.model_validate(value)
        except ValueError as error:  # pydantic's ValidationError is one
            raise InvalidAnswer(_pydantic_reasons(error)) from error

    return OutputSchema(given.__name__, _description(schema), schema, read)


def _check(value: Any, schema: Mapping[str, Any], patterns: Patterns) -> None:
    found = list(islice(violations(value, schema, patterns=patterns), _MAX_REASONS))
    if found:
        raise InvalidAnswer("; ".join(found))


def _pydantic_reasons(error: ValueError) -> str:
    """Return the reasons without the values and links of pydantic's own message."""
    found = getattr(error, "errors", None)
    reasons = found() if callable(found) else ()
    return "; ".join(
        f"{'.'.join(map(str, ('answer', *reason['loc'])))}: {reason['msg']}"
        for reason in reasons[:_MAX_REASONS]
    ) or str(error)


def _description(schema: Mapping[str, Any]) -> str:
    description = schema.get("description")
    return description if isinstance(description, str) else ""
