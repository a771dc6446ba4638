"""Validate the body of a Converse request and send it to a model, for all entry points."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from lambdas.shared.answer_options import (
    FEATURE_FALLBACK,
    MAX_COST_MULTIPLE,
    OUTPUT_SCHEMA,
    read_feature_fallback,
    read_max_cost_multiple,
    read_output_schema,
    with_output_schema,
)
from lambdas.shared.function_log import log_payload
from lambdas.shared.manager import RequestTargets, check_price, choose_targets, llm_manager, model_ids
from lambdas.shared.problems import answers_rejected
from lambdas.shared.s3_locations import location_problems
from lambdas.shared.shared_cooldowns import count_all_cooling
from lambdas.usage.call_recording import recorded
from lambdas.usage.caller import Caller
from lambdas.usage.charged_request import priced_targets, with_max_tokens, with_metadata
from lambdas.usage.spending import open_spending
from lambdas.usage.team import TEAM, with_team
from llmmanager import BedrockConverseRequest, Deadline, LLMManager, ResponseValidationConfig
from llmmanager.json_format.codec import InvalidRequest, answer_text, decode_request, encode_response

_RULES = "responseValidation"
# The fields of a request beside those of Converse.
OPTION_FIELDS = ("models", "regions", _RULES, FEATURE_FALLBACK, MAX_COST_MULTIPLE, OUTPUT_SCHEMA, TEAM)
T = TypeVar("T")


@dataclass(frozen=True)
class ConverseRequest:
    """A valid request with its options.

    Attributes:
        caller: who pays.
        rules: the validation of each answer, or None.
        feature_fallback: whether features that a model does not support may be removed.
        max_cost_multiple: maximum cost of another target, as a multiple of the first model's cost, or None.
    """

    caller: Caller
    converse: BedrockConverseRequest
    targets: RequestTargets
    rules: ResponseValidationConfig | None
    feature_fallback: bool
    max_cost_multiple: float | None

    def manager(self) -> LLMManager:
        """Return the manager for this request.

        Raises:
            ConfigurationError: the cost is limited, and the price of the first model is unknown.
        """
        return llm_manager(
            self.targets,
            feature_fallback=self.feature_fallback,
            max_cost_multiple=self.max_cost_multiple,
        )

    def within_budget(self) -> ConverseRequest:
        """Return the request for a budgeted caller: with `maxTokens`, and for models with a known price.

        Raises:
            InvalidRequest: no model has a known price.
        """
        targets = priced_targets(self.targets)
        converse = with_max_tokens(self.converse, model_ids(targets))
        return replace(self, converse=converse, targets=targets)


def read_request(body: Mapping[str, Any], caller: Caller) -> ConverseRequest:
    """Return the request in a body.

    Args:
        caller: who sends it. The body may name the team that pays.

    Raises:
        InvalidRequest: the body is invalid; the error has all problems.
    """
    fields = {key: value for key, value in body.items() if key not in OPTION_FIELDS}
    problems: list[str] = []
    targets = _read(lambda: choose_targets(body.get("models"), body.get("regions")), problems)
    rules = _read(lambda: _read_rules(body.get(_RULES)), problems)
    feature_fallback = _read(lambda: read_feature_fallback(body.get(FEATURE_FALLBACK)), problems)
    multiple = _read(lambda: read_max_cost_multiple(body.get(MAX_COST_MULTIPLE)), problems)
    models = model_ids(targets) if targets else ()
    payer = _read(lambda: with_team(caller, body.get(TEAM)), problems) or caller
    schema = _read(lambda: read_output_schema(body.get(OUTPUT_SCHEMA)), problems)
    converse = _read(
        lambda: with_output_schema(
            with_metadata(decode_request(fields, model_ids=models, other_fields=OPTION_FIELDS), payer), schema
        ),
        problems,
    )
    problems += location_problems(fields)
    if problems or targets is None or converse is None or feature_fallback is None:
        raise InvalidRequest(problems)
    check_price(targets, multiple)
    return ConverseRequest(payer, converse, targets, rules, feature_fallback, multiple)


def send_request(request: ConverseRequest, *, seconds: float, entry_point: str) -> dict[str, Any]:
    """Return the answer to a request, as all entry points return it.

    Args:
        seconds: the time until the deadline.
        entry_point: how the request was received: "http" or "events".

    Raises:
        InvalidRequest: a budget applies, and no model has a known price.
        Problem, LLMManagerError: no model answered, no answer was valid, or a budget does not allow the call.
    """
    deadline = Deadline.after(seconds)
    spending = open_spending(request.caller)
    if spending.is_budgeted:
        request = request.within_budget()
    manager = request.manager()
    try:
        response = recorded(
            lambda: manager.converse_with_request(
                request.converse, request.rules, deadline=deadline, before_attempt=spending.before_attempt
            ),
            spending,
            entry_point=entry_point,
        )
    finally:
        count_all_cooling(entry_point=entry_point)
    log_payload(request.converse, response)
    if not response.success:
        raise answers_rejected(response)
    return {"text": answer_text(response), **encode_response(response)}


def _read(part: Callable[[], T], problems: list[str]) -> T | None:
    """Return a part of the body; if it is invalid, add its problems and return None."""
    try:
        return part()
    except InvalidRequest as error:
        problems += error.reasons
        return None


def _read_rules(data: Any) -> ResponseValidationConfig | None:
    if data is None:
        return None
    # Few requests have rules, so the module is imported when it is needed, to keep cold starts short.
    from lambdas.shared.response_rules import read_rules

    return read_rules(data)
