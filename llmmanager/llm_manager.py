"""LLMManager: one request, answered by the first target that can."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from llmmanager.bedrock.catalog.unified_model_manager import UnifiedModelManager
from llmmanager.bedrock.exceptions.llm_manager_exceptions import ConfigurationError, LLMManagerError
from llmmanager.bedrock.invocation.clients import MAX_CONNECTIONS, ClientPool
from llmmanager.bedrock.invocation.credentials import NO_CREDENTIALS
from llmmanager.bedrock.invocation.invoker import Invoker
from llmmanager.bedrock.invocation.known_quotas import KnownQuotas, check_reserve, check_share
from llmmanager.bedrock.invocation.request import ValidRequest, build_request
from llmmanager.bedrock.invocation.run import ManagerResources
from llmmanager.bedrock.invocation.sessions import account_key
from llmmanager.bedrock.invocation.targets import Targets
from llmmanager.bedrock.models.bedrock_response import BedrockResponse
from llmmanager.bedrock.models.deadline import Deadline
from llmmanager.bedrock.models.llm_manager_constants import LLMManagerConfig
from llmmanager.bedrock.models.llm_manager_structures import (
    AuthConfig,
    ResponseValidationConfig,
    RetryConfig,
)
from llmmanager.bedrock.models.model_quota import ModelQuota
from llmmanager.bedrock.models.streaming_response import StreamingResponse
from llmmanager.bedrock.routing.cooldown import Cooldowns
from llmmanager.bedrock.routing.quota_pacing import ONE_CALL, ManagerQuotas, QuotaPatience

if TYPE_CHECKING:
    from llmmanager.bedrock.models.parallel_structures import BedrockConverseRequest

__all__ = ["LLMManager"]


class LLMManager:
    """Answers Converse requests from Amazon Bedrock across models and regions.

    Creating one makes no network call while every model name is known. It can be used by many threads at
    once; clients are shared per region.

    Args:
        models: display names, model ids, inference-profile ids or ARNs, the preferred one first.
        regions: AWS regions, the preferred one first.
        auth_config: where credentials come from; boto3's own chain when None.
        retry_config: retries and failover; the documented defaults when None.
        unified_model_manager: a model catalog to share or with a store of its own.
        default_inference_config: Converse's `inferenceConfig`; a call's own values win field by field.
        timeout: longest silence of a target in seconds before the attempt counts as failed.
        max_connections: connections kept a region, never fewer than 128; threads beyond that reconnect.
        cooldowns: which targets are left alone for a while; to share between managers, or with a board
            between processes.
        quotas: the tokens and requests per minute of models, as far as they are known. Calls keep within
            them from the start. An amount that is not given is the catalog's, where a refresh has listed the
            account's quotas; else it is learnt once Bedrock throttles a call.
        quota_share: the part of these quotas that this manager may use, above 0 and at most 1.
        quota_reserve: the part of each limit, known or learnt, that this manager leaves to others; below 1.

    Raises:
        ConfigurationError: a name, region or setting that cannot work.
    """

    def __init__(
        self,
        models: Sequence[str],
        regions: Sequence[str],
        auth_config: AuthConfig | None = None,
        retry_config: RetryConfig | None = None,
        unified_model_manager: UnifiedModelManager | None = None,
        default_inference_config: dict[str, Any] | None = None,
        timeout: float = LLMManagerConfig.DEFAULT_TIMEOUT,
        *,
        max_connections: int = MAX_CONNECTIONS,
        cooldowns: Cooldowns | None = None,
        quotas: Sequence[ModelQuota] = (),
        quota_share: float = 1.0,
        quota_reserve: float = 0.0,
    ) -> None:
        _check("auth_config", auth_config, AuthConfig)
        _check("retry_config", retry_config, RetryConfig)
        _check("unified_model_manager", unified_model_manager, UnifiedModelManager)
        _check("cooldowns", cooldowns, Cooldowns)
        _check("default_inference_config", default_inference_config, Mapping)
        if (
            isinstance(timeout, bool)
            or not isinstance(timeout, int | float)
            or not 0 < timeout < float("inf")
        ):
            raise ConfigurationError(
                f"timeout must be a number of seconds above 0 (got {timeout!r})", {"timeout": timeout}
            )
        if isinstance(max_connections, bool) or not isinstance(max_connections, int) or max_connections < 1:
            raise ConfigurationError(
                f"max_connections must be an integer of at least 1 (got {max_connections!r})",
                {"max_connections": max_connections},
            )
        self._default_inference_config = dict(default_inference_config or {})
        self._retry_config = retry_config or RetryConfig()
        self._clients = ClientPool(
            auth_config, timeout=timeout, max_connections=max(max_connections, MAX_CONNECTIONS)
        )
        self._catalog = unified_model_manager or UnifiedModelManager(client_factory=self._clients.client)
        self._targets = Targets(self._catalog, models, regions, self._retry_config)
        self._models = list(models)
        self._resources = ManagerResources(
            clients=self._clients,
            retry_config=self._retry_config,
            timeout=timeout,
            access_method_rejected=self._targets.access_method_rejected,
            refresh_catalog=self._targets.refresh_catalog,
            cooldowns=cooldowns or Cooldowns(),
            quotas=ManagerQuotas(
                account_key(auth_config or AuthConfig()),
                KnownQuotas(quotas, self._catalog),
                check_share(quota_share),
                check_reserve(quota_reserve),
            ),
        )
        self._invoker = Invoker(self._resources, self._targets)

    def converse(
        self,
        messages: str | list[dict[str, Any]] | None,
        system: list[dict[str, Any]] | None = None,
        inference_config: dict[str, Any] | None = None,
        additional_model_request_fields: dict[str, Any] | None = None,
        additional_model_response_field_paths: list[str] | None = None,
        guardrail_config: dict[str, Any] | None = None,
        tool_config: dict[str, Any] | None = None,
        request_metadata: dict[str, Any] | None = None,
        prompt_variables: dict[str, Any] | None = None,
        response_validation_config: ResponseValidationConfig | None = None,
        *,
        performance_config: dict[str, Any] | None = None,
        service_tier: dict[str, Any] | None = None,
        output_config: dict[str, Any] | None = None,
        deadline: float | Deadline | None = None,
        extra_request_fields: dict[str, Any] | None = None,
    ) -> BedrockResponse:
        """Answer one conversation turn.

        Args:
            messages: as Bedrock's Converse takes them, bytes as bytes; or a string, the user's one text; or
                None for a managed prompt.
            system ... prompt_variables, performance_config, service_tier, output_config: the Converse
                fields of the same name in camel case.
            response_validation_config: a check on the answer; an invalid one asks again.
            deadline: seconds from now, or a `Deadline` to share; no attempt and no wait starts that could
                not end before it.
            extra_request_fields: further top-level Converse fields by their wire name, merged last.

        Returns:
            A response with `success=True`; `success=False` only when answers came but none was valid.

        Raises:
            RequestValidationError: the request is wrong; `validation_errors` lists every problem.
            AuthenticationError: credentials are missing or refused.
            RetryExhaustedError: no target answered (`DeadlineExceededError`: in time).
        """
        return self._converse(
            locals(),
            response_validation_config,
            deadline=deadline,
        )

    def converse_stream(
        self,
        messages: str | list[dict[str, Any]] | None,
        system: list[dict[str, Any]] | None = None,
        inference_config: dict[str, Any] | None = None,
        additional_model_request_fields: dict[str, Any] | None = None,
        additional_model_response_field_paths: list[str] | None = None,
        guardrail_config: dict[str, Any] | None = None,
        tool_config: dict[str, Any] | None = None,
        request_metadata: dict[str, Any] | None = None,
        prompt_variables: dict[str, Any] | None = None,
        response_validation_config: ResponseValidationConfig | None = None,
        *,
        performance_config: dict[str, Any] | None = None,
        service_tier: dict[str, Any] | None = None,
        output_config: dict[str, Any] | None = None,
        deadline: float | Deadline | None = None,
        extra_request_fields: dict[str, Any] | None = None,
    ) -> StreamingResponse:
        """Answer one conversation turn as a stream of text chunks.

        Takes what `converse` takes. The first content has arrived when this returns, so that until then any
        failure moves on to the next target; a stream lost later is continued elsewhere from what was said.
        A response validation is applied to the completed text and recorded; nothing is asked again.

        Raises:
            As `converse`; while iterating, nothing.
        """
        parameters = locals()
        check_validation(response_validation_config)
        moment = Deadline.from_value(deadline)
        return self._invoker.converse_stream(
            self._build_request(parameters, stream=True),
            deadline=moment,
            validation=response_validation_config,
        )

    def converse_with_request(
        self,
        request: BedrockConverseRequest,
        response_validation_config: ResponseValidationConfig | None = None,
        *,
        regions: Sequence[str] | None = None,
        deadline: float | Deadline | None = None,
        cancelled: threading.Event | None = None,
    ) -> BedrockResponse:
        """Like `converse`, for a request object.

        Args:
            regions: some of the manager's regions, in the order wanted; None for all.
            cancelled: set by another thread to end the call before its next attempt or wait.

        Raises:
            ConfigurationError: not a `BedrockConverseRequest`, or regions that are not the manager's;
                otherwise as `converse`.
        """
        return self._converse_with_request(
            request, response_validation_config, regions=regions, deadline=deadline, cancelled=cancelled
        )

    def _converse_with_request(
        self,
        request: BedrockConverseRequest,
        validation: ResponseValidationConfig | None,
        *,
        regions: Sequence[str] | None,
        deadline: float | Deadline | None,
        cancelled: threading.Event | None,
        quota_patience: QuotaPatience = ONE_CALL,
    ) -> BedrockResponse:
        from llmmanager.bedrock.models.parallel_structures import BedrockConverseRequest

        if not isinstance(request, BedrockConverseRequest):
            raise ConfigurationError(
                f"request must be a BedrockConverseRequest (got {type(request).__name__})",
                {"request": type(request).__name__},
            )
        _check("regions", regions, Sequence)
        return self._converse(
            request.to_converse_args(),
            validation,
            regions=regions,
            deadline=deadline,
            cancelled=cancelled,
            quota_patience=quota_patience,
        )

    def _converse(
        self,
        parameters: Mapping[str, Any],
        validation: ResponseValidationConfig | None,
        *,
        deadline: float | Deadline | None,
        regions: Sequence[str] | None = None,
        cancelled: threading.Event | None = None,
        quota_patience: QuotaPatience = ONE_CALL,
    ) -> BedrockResponse:
        moment = Deadline.from_value(deadline)
        check_validation(validation)
        return self._invoker.converse(
            self._build_request(parameters),
            deadline=moment,
            regions=regions,
            validation=validation,
            cancelled=cancelled,
            quota_patience=quota_patience,
        )

    def _build_request(self, parameters: Mapping[str, Any], *, stream: bool = False) -> ValidRequest:
        return build_request(
            parameters,
            model_ids=self._targets.model_ids,
            default_inference_config=self._default_inference_config,
            stream=stream,
        )

    def get_available_models(self) -> list[str]:
        """The configured models, as they were given."""
        return list(self._models)

    def get_available_regions(self) -> list[str]:
        """The configured regions, as they were given."""
        return list(self._targets.regions)

    def get_model_access_info(self, model_name: str, region: str) -> dict[str, Any] | None:
        """How a model is called in a region; None where it cannot be, or where no model has the name.

        Returns:
            `model_id`, `access_method` (the preferred one), `region`, `access_methods`,
            `inference_profile_id`.
        """
        return self._catalog.get_model_access_info(
            model_name, region, order=self._retry_config.access_method_order
        )

    def validate_configuration(self) -> dict[str, Any]:
        """Check models, regions and credentials without calling a model.

        Returns:
            `valid` (bool), `errors` and `warnings` (lists of sentences), `model_region_combinations` (how
            many there are), `auth_status` ("configured" or "missing").
        """
        errors = []
        combinations = len(self._targets.groups())
        if not combinations:
            errors.append(f"no model can be called in {', '.join(self._targets.regions)}")
        auth_status = "configured"
        try:
            if not self._clients.has_credentials():
                errors.append(NO_CREDENTIALS)
                auth_status = "missing"
        except LLMManagerError as error:
            errors.append(str(error))
            auth_status = "missing"
        return {
            "valid": not errors,
            "errors": errors,
            "warnings": [*self._targets.warnings, *self._targets.gaps()],
            "model_region_combinations": combinations,
            "auth_status": auth_status,
        }

    def refresh_model_data(self) -> None:
        """Ask Bedrock anew which models can be called in the configured regions.

        Raises:
            LLMManagerError: no region answered; what was known stays.
        """
        self._catalog.refresh_unified_data()
        self._targets.forget()

    def get_retry_stats(self) -> dict[str, Any]:
        """The retry configuration, and counters since this manager was made.

        Returns:
            Every field of `RetryConfig` (the strategy by its value), `models`, `regions`, `requests`,
            `attempts`, `retries`, `failovers`, `feature_fallbacks`, `throttles` (by target).
        """
        config = vars(self._retry_config) | {
            "retry_strategy": self._retry_config.retry_strategy.value,
            "retryable_errors": [
                error if isinstance(error, str) else error.__name__
                for error in self._retry_config.retryable_errors
            ],
        }
        return {
            **config,
            "models": self.get_available_models(),
            "regions": self.get_available_regions(),
            **self._resources.stats.snapshot(),
        }

    def close(self) -> None:
        """Close the connections; the manager can be used again afterwards."""
        self._clients.close()


def check_validation(config: ResponseValidationConfig | None) -> None:
    """Refuse what is no response validation.

    Raises:
        ConfigurationError: neither None nor a `ResponseValidationConfig`.
    """
    _check("response_validation_config", config, ResponseValidationConfig)


def _check(name: str, value: object, kind: type) -> None:
    if value is not None and not isinstance(value, kind):
        # Its type and never the value: a dict in place of an AuthConfig would hold the secrets.
        given = type(value).__name__
        raise ConfigurationError(f"{name} must be a {kind.__name__} (got {given})", {name: given})
