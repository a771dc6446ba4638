"""Call the models that a request names and its key allows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final, Generic

from lambdas.api_keys.allowed_targets import AllowedTargets, allowed_targets
from lambdas.shared.function_log import log_payload
from lambdas.shared.manager import RequestTargets, catalog, llm_manager, model_ids
from lambdas.shared.settings import log_payloads, model_aliases, model_settings
from lambdas.shared.shared_cooldowns import count_all_cooling
from lambdas.streaming_api.api_request import ApiRequest
from lambdas.streaming_api.client_api import ClientApi, R
from lambdas.streaming_api.json_answer import answer_validation
from lambdas.streaming_api.requested_models import requested_models
from lambdas.usage.call_recording import RecordedStream, open_recorded, recorded
from lambdas.usage.caller import Caller
from lambdas.usage.charged_request import max_tokens, priced_targets
from lambdas.usage.spending import CallSpending, open_spending
from llmmanager import BedrockConverseRequest, BedrockResponse, LLMManager
from llmmanager.bedrock.catalog.names import ResolvedModel

ENTRY_POINT: Final = "streaming"
# Time to end a response, for an error event for example, before the function's timeout.
_MARGIN_SECONDS: Final = 5.0
# API Gateway ends a response that sends nothing for this time. A complete answer is sent at its end.
_IDLE_SECONDS: Final = 300.0


@dataclass(frozen=True, slots=True)
class ModelCall(Generic[R]):
    """A valid request, the models and regions that it may use, and what it may spend."""

    request: ApiRequest
    mapped: R
    targets: RequestTargets
    spending: CallSpending

    def complete(self) -> BedrockResponse:
        """Return the whole answer.

        Raises:
            LLMManagerError: no model answered, the request is invalid, or a budget does not allow the call.
        """
        try:
            response = recorded(
                lambda: self._manager.converse(
                    **self.mapped.converse,
                    response_validation_config=answer_validation(self.mapped),
                    deadline=min(self._seconds, _IDLE_SECONDS - _MARGIN_SECONDS),
                    before_attempt=self.spending.before_attempt,
                ),
                self.spending,
                entry_point=ENTRY_POINT,
            )
        finally:
            count_all_cooling(entry_point=ENTRY_POINT)
        self._log(response)
        return response

    def open_stream(self) -> RecordedStream:
        """Return the streamed answer when its first content has arrived. The caller must close it.

        Raises:
            LLMManagerError: no model answered, the request is invalid, or a budget does not allow the call.
        """
        try:
            return open_recorded(
                lambda: self._manager.converse_stream(
                    **self.mapped.converse,
                    deadline=self._seconds,
                    before_attempt=self.spending.before_attempt,
                ),
                self.spending,
                entry_point=ENTRY_POINT,
                log=self._log,
            )
        finally:
            count_all_cooling(entry_point=ENTRY_POINT)

    @property
    def _manager(self) -> LLMManager:
        return llm_manager(self.targets, feature_fallback=True)

    @property
    def _seconds(self) -> float:
        return self.request.http.seconds_left() - _MARGIN_SECONDS

    def _log(self, response: BedrockResponse) -> None:
        # Built only if it is logged: no other step needs the request in this form.
        if log_payloads():
            log_payload(BedrockConverseRequest(**self.mapped.converse), response)


def read_call(request: ApiRequest, body: Mapping[str, Any], api: ClientApi[R]) -> ModelCall[R]:
    """Return the call for the body of a request.

    Raises:
        MappingError: a field is invalid or cannot be mapped.
        KeyNotAllowed: the key does not allow the request, or has expired.
        InvalidRequest: a budget applies, and no model has a known price.
        UsageTableUnavailable: a budget may apply, and cannot be read.
    """
    targets = find_targets(request, requested_models(body))
    identity = request.identity
    spending = open_spending(Caller(identity.owner, identity.team, identity.key_id))
    if spending.is_budgeted:
        targets = priced_targets(targets)
        body = _with_max_tokens(body, api.max_tokens_fields, targets)
    mapped = api.read(body, model_ids=model_ids(targets))
    metadata = spending.caller.add_metadata(mapped.converse.get("request_metadata"))
    charged = replace(mapped, converse={**mapped.converse, "request_metadata": metadata})
    return ModelCall(request, charged, targets, spending)


def _with_max_tokens(
    body: Mapping[str, Any], names: Sequence[str], targets: RequestTargets
) -> Mapping[str, Any]:
    """Return the body with a maximum length of the answer: its own, or else that of budgeted callers.

    Args:
        names: the fields for the maximum length, the preferred one first.
    """
    if any(body.get(name) is not None for name in names):
        return body
    return {**body, names[0]: max_tokens(model_ids(targets))}


def find_targets(request: ApiRequest, models: Sequence[str] | None) -> RequestTargets:
    """Return the models and regions for requested names; None stands for all that the key allows.

    Raises:
        KeyNotAllowed: the key does not allow these models, or has expired.
    """
    settings = model_settings()
    allowed = allowed_targets(
        request.identity,
        models=models,
        regions=None,
        configured=AllowedTargets(settings.models, settings.regions),
        resolve=resolve_name,
        now=datetime.now(UTC),
    )
    return RequestTargets(allowed.models, allowed.regions)


def resolve_name(name: str) -> ResolvedModel:
    """Return the model for a display name, an id or an alias.

    Raises:
        ConfigurationError: the name is unknown.
    """
    return catalog().resolve(model_aliases().get(name, name))
