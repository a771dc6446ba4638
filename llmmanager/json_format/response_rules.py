"""The field `responseValidation`: rules for answers. An answer that breaks a rule is requested again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llmmanager import BedrockResponse, ResponseValidationConfig, ValidationResult
from llmmanager.bedrock.structured.json_schema import schema_problems, violations
from llmmanager.bedrock.structured.search_patterns import Patterns, backtracking_pattern
from llmmanager.json_format.codec import InvalidRequest, answer_text
from llmmanager.json_format.json_text import InvalidJson, parse

FIELD = "responseValidation"
MAX_RETRIES = 5
# Characters of an answer that are searched for a pattern: far more than a model writes.
MAX_PATTERN_TEXT = 500_000
DEFAULT_RETRIES = 3
MAX_PHRASES = 100
# Of minLength, in characters.
MAX_LENGTH = 1_000_000
_RULES = ("jsonSchema", "mustContain", "mustNotContain", "pattern", "minLength")
MEMBERS = (*_RULES, "retries")


def read_rules(data: Any, *, patterns: Patterns = backtracking_pattern) -> ResponseValidationConfig | None:
    """Return the validation for the field `responseValidation` of a request or a batch; None for None.

    Args:
        data: `{"jsonSchema"?: schema of a JSON answer, "mustContain"?: [text], "mustNotContain"?: [text],
            "pattern"?: matches anywhere in the answer, "minLength"?: characters without surrounding white
            space, "retries"?: how often a model is called again, 0 to 5 (default 3)}`, with at least one
            rule.
        patterns: compiles the patterns. Those of untrusted callers need a matcher without backtracking.

    Raises:
        InvalidRequest: the field is invalid; the error has all problems.
    """
    if data is None:
        return None
    if not isinstance(data, dict):
        raise InvalidRequest([f"{FIELD}: must be an object"])
    problems = [
        f"{FIELD}.{key[:80]}: unknown field; known fields: {', '.join(MEMBERS)}"
        for key in data
        if key not in MEMBERS
    ]
    if not any(data.get(rule) is not None for rule in _RULES):
        problems.append(f"{FIELD}: must have at least one of {', '.join(_RULES)}")
    rules = {key: value for key, value in data.items() if value is not None}
    problems += _problems(rules, patterns)
    if problems:
        raise InvalidRequest(problems)
    return ResponseValidationConfig(
        _AnswerValidator(rules, patterns), response_validation_retries=rules.get("retries", DEFAULT_RETRIES)
    )


class _AnswerValidator:
    """Returns the first rule that an answer breaks."""

    def __init__(self, rules: Mapping[str, Any], patterns: Patterns) -> None:
        self._rules = rules
        self._patterns = patterns
        self._pattern = patterns(rules["pattern"]) if "pattern" in rules else None

    def __call__(self, response: BedrockResponse) -> ValidationResult:
        violation = self._violation(answer_text(response) or "")
        return ValidationResult(success=violation is None, error_message=violation)

    def _violation(self, text: str) -> str | None:
        rules = self._rules
        if len(text.strip()) < rules.get("minLength", 0):
            return f"minLength: the answer has fewer than {rules['minLength']} characters"
        for number, phrase in enumerate(rules.get("mustContain", ())):
            if phrase not in text:
                return f"mustContain[{number}]: the answer does not contain it"
        for number, phrase in enumerate(rules.get("mustNotContain", ())):
            if phrase in text:
                return f"mustNotContain[{number}]: the answer contains it"
        if self._pattern is not None and not self._pattern.search(text[:MAX_PATTERN_TEXT]):
            return "pattern: the answer does not match it"
        return self._schema_violation(text) if "jsonSchema" in rules else None

    def _schema_violation(self, text: str) -> str | None:
        try:
            value = parse(text)
        except InvalidJson as error:
            return f"jsonSchema: the answer is {error}"
        violation = next(violations(value, self._rules["jsonSchema"], patterns=self._patterns), None)
        return violation and f"jsonSchema: {violation}"


def _problems(rules: Mapping[str, Any], patterns: Patterns) -> list[str]:
    problems = []
    for name in ("mustContain", "mustNotContain"):
        if name in rules and not _are_phrases(rules[name]):
            problems.append(f"{FIELD}.{name}: must be a list of 1 to {MAX_PHRASES} non-empty strings")
    if "minLength" in rules and not _is_count(rules["minLength"], MAX_LENGTH):
        problems.append(f"{FIELD}.minLength: must be an integer from 0 to {MAX_LENGTH}")
    if "retries" in rules and not _is_count(rules["retries"], MAX_RETRIES):
        problems.append(f"{FIELD}.retries: must be an integer from 0 to {MAX_RETRIES}")
    if "pattern" in rules:
        problems += _pattern_problems(rules["pattern"], patterns)
    if "jsonSchema" in rules:
        problems += schema_problems(rules["jsonSchema"], f"{FIELD}.jsonSchema", patterns=patterns)
    return problems


def _pattern_problems(pattern: Any, patterns: Patterns) -> list[str]:
    if not isinstance(pattern, str):
        return [f"{FIELD}.pattern: must be a string"]
    try:
        patterns(pattern)
    except ValueError as error:
        return [f"{FIELD}.pattern: {error}"]
    return []


def _are_phrases(value: Any) -> bool:
    return (
        isinstance(value, list)
        and 0 < len(value) <= MAX_PHRASES
        and all(isinstance(phrase, str) and phrase for phrase in value)
    )


def _is_count(value: Any, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most
