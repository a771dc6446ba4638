"""One request to a model: read out of a body, and asked. The same for every door that answers single ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from lambdas.shared.answer_options import (
    FEATURE_FALLBACK,
    MAX_COST_MULTIPLE,
    read_feature_fallback,
    read_max_cost_multiple,
)
from lambdas.shared.codec import InvalidRequest, decode_request, encode_response
from lambdas.shared.health import count_all_cooling
from lambdas.shared.manager import Targets, choose_targets, llm_manager, model_ids
from lambdas.shared.metrics import recorded
from lambdas.shared.observability import log_payload
from lambdas.shared.problems import answer_refused
from lambdas.shared.s3_locations import location_problems
from llmmanager import BedrockConverseRequest, ConfigurationError, LLMManager, ResponseValidationConfig

_RULES = "responseValidation"
T = TypeVar("T")


@dataclass(frozen=True)
class Question:
    """A body that can be sent to a model.

    Attributes:
        rules: the check on each answer, or None.
        feature_fallback: whether features that a model refuses may be left out.
        max_cost_multiple: how many times as much as the first model another target may cost; None for no
            limit.
    """

    request: BedrockConverseRequest
    targets: Targets
    rules: ResponseValidationConfig | None
    feature_fallback: bool
    max_cost_multiple: float | None

    def manager(self) -> LLMManager:
        """Return the manager that answers it.

        Raises:
            ConfigurationError: the cost is limited, and the first model has no known price.
        """
        return llm_manager(
            self.targets,
            feature_fallback=self.feature_fallback,
            max_cost_multiple=self.max_cost_multiple,
        )


def read_question(body: Mapping[str, Any]) -> Question:
    """A body as a question.

    Raises:
        InvalidRequest: with every problem that it has.
    """
    own = ("models", "regions", _RULES, FEATURE_FALLBACK, MAX_COST_MULTIPLE)
    fields = {key: value for key, value in body.items() if key not in own}
    problems: list[str] = []
    targets = _read(lambda: choose_targets(body.get("models"), body.get("regions")), problems)
    rules = _read(lambda: _read_rules(body.get(_RULES)), problems)
    feature_fallback = _read(lambda: read_feature_fallback(body.get(FEATURE_FALLBACK)), problems)
    multiple = _read(lambda: read_max_cost_multiple(body.get(MAX_COST_MULTIPLE)), problems)
    models = model_ids(targets) if targets else ()
    request = _read(lambda: decode_request(fields, model_ids=models), problems)
    problems += location_problems(fields)
    if problems or targets is None or request is None or feature_fallback is None:
        raise InvalidRequest(problems)
    question = Question(request, targets, rules, feature_fallback, multiple)
    if multiple is not None:
        _check_first_price(question)
    return question


def _check_first_price(question: Question) -> None:
    try:
        question.manager()
    except ConfigurationError as error:
        raise InvalidRequest([f"{MAX_COST_MULTIPLE}: {error.message}"]) from None


def _read(part: Callable[[], T], problems: list[str]) -> T | None:
    """Return a part of the body; None, and its problems, when it is invalid."""
    try:
        return part()
    except InvalidRequest as error:
        problems += error.reasons
        return None


def _read_rules(data: Any) -> ResponseValidationConfig | None:
    if data is None:
        return None
    # Few requests have rules: a cold start does not wait for what reads them.
    from lambdas.shared.response_rules import read_rules

    return read_rules(data)


def ask(question: Question, *, seconds: float, door: str, caller: str | None) -> dict[str, Any]:
    """The answer, as the doors give it.

    Args:
        seconds: by when there must be one.
        door, caller: how the question came, and whose it is: for the metrics.

    Raises:
        Problem, LLMManagerError: nothing answered it, or nothing as it must be.
    """
    manager = question.manager()
    try:
        response = recorded(
            lambda: manager.converse_with_request(question.request, question.rules, deadline=seconds),
            door=door,
            caller=caller,
        )
    finally:
        count_all_cooling(door=door)
    log_payload(question.request, response)
    if not response.success:
        raise answer_refused(response)
    return {"text": response.get_content(), **encode_response(response)}
