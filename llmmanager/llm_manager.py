"""LLMManager: sends one request at a time with retries and failover."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, Self, Unpack, overload

from llmmanager.bedrock.catalog.unified_model_manager import UnifiedModelManager
from llmmanager.bedrock.exceptions.llm_manager_exceptions import ConfigurationError
from llmmanager.bedrock.invocation.invoker import CallOptions, Invoker, ManagerCalls
from llmmanager.bedrock.invocation.known_quotas import KnownQuotas, check_reserve, check_share
from llmmanager.bedrock.invocation.manager_resources import ManagerInformation, ManagerResources
from llmmanager.bedrock.invocation.targets import Targets
from llmmanager.bedrock.models.bedrock_response import BedrockResponse
from llmmanager.bedrock.models.call_parameters import CallParameters, check_type, takes
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
from llmmanager.bedrock.routing.quota_pacing import ManagerQuotas
from llmmanager.bedrock.transport.clients import (
    MAX_CONNECTIONS,
    ClientPool,
    check_max_connections,
    check_timeout,
)
from llmmanager.bedrock.transport.sessions import account_key
from llmmanager.bedrock.validation.request_validation import validate_inference_config

if TYPE_CHECKING:
    from collections.abc import Iterable
    from os import PathLike

    from llmmanager.bedrock.models.attempt_guard import AttemptGuard
    from llmmanager.bedrock.models.call_keywords import CallKeywords, Messages
    from llmmanager.bedrock.models.converse_types import (
        InferenceConfiguration,
        Message,
        SystemContentBlock,
        ToolConfiguration,
        UntypedDict,
    )
    from llmmanager.bedrock.models.cost_estimates import CostEstimate, FileCostEstimate
    from llmmanager.bedrock.models.parallel_structures import BedrockConverseRequest
    from llmmanager.bedrock.models.parsed_response import ParsedResponse, T
    from llmmanager.bedrock.models.token_count import InputTokenCount

__all__ = ["LLMManager"]


class LLMManager(ManagerCalls, ManagerInformation):
    """Sends Converse requests to Amazon Bedrock with failover across models and regions. Thread-safe.

    Creating a manager makes no network call if every model name is in the catalog. A `with` block closes it
    at its end.

    Args:
        models: display names, model ids, inference-profile ids or ARNs, the preferred one first. A list or
            tuple, not a string.
        regions: AWS regions, the preferred one first. A list or tuple, not a string.
        auth_config: the source of credentials; None for boto3's default chain.
        retry_config: retries and failover; None for `RetryConfig()`.
        unified_model_manager: the model catalog, to share it or to use a store; None for a new one.
        default_inference_config: defaults for `inference_config` of every call. A field that a call sets has
            precedence.
        timeout: how long a target may send nothing before the attempt fails, in seconds, above 0.
        max_connections: open connections per region, at least 512. With more threads than that, each further
            call opens a new connection. Also the number of async calls that run at the same time.
        cooldowns: the cooldowns of targets, to share them between managers or processes; None for new ones.
        quotas: known quotas of models. Calls keep within them from the start. An amount that is not given is
            read from the catalog if a refresh has listed the account's quotas. Otherwise it is learned when
            Bedrock throttles a call.
        quota_share: the share of these quotas that this manager may use, above 0 and at most 1.
        quota_reserve: the share of each limit, known or learned, that this manager leaves to others; from 0
            to below 1.

    Raises:
        ConfigurationError: a name, region or setting is invalid.
    """

    def __init__(
        self,
        models: Sequence[str],
        regions: Sequence[str],
        auth_config: AuthConfig | None = None,
        retry_config: RetryConfig | None = None,
        unified_model_manager: UnifiedModelManager | None = None,
        default_inference_config: InferenceConfiguration | UntypedDict | None = None,
        timeout: float = LLMManagerConfig.DEFAULT_TIMEOUT,
        *,
        max_connections: int = MAX_CONNECTIONS,
        cooldowns: Cooldowns | None = None,
        quotas: Sequence[ModelQuota] = (),
        quota_share: float = 1.0,
        quota_reserve: float = 0.0,
    ) -> None:
        check_type("auth_config", auth_config, AuthConfig)
        check_type("retry_config", retry_config, RetryConfig)
        check_type("unified_model_manager", unified_model_manager, UnifiedModelManager)
        check_type("cooldowns", cooldowns, Cooldowns)
        check_type("default_inference_config", default_inference_config, Mapping)
        check_timeout(timeout)
        check_max_connections(max_connections)
        self._default_inference_config = dict(default_inference_config or {})
        problems = validate_inference_config(self._default_inference_config, name="default_inference_config")
        if problems:
            raise ConfigurationError("; ".join(problems), {"default_inference_config": problems})
        self._retry_config = retry_config or RetryConfig()
        self._clients = ClientPool(
            auth_config, timeout=timeout, max_connections=max(max_connections, MAX_CONNECTIONS)
        )
        self._catalog = unified_model_manager or UnifiedModelManager(client_factory=self._clients.client)
        self._targets = Targets(self._catalog, models, regions, self._retry_config)
        resources = ManagerResources(
            catalog=self._catalog,
            models=tuple(models),
            targets=self._targets,
            clients=self._clients,
            retry_config=self._retry_config,
            timeout=timeout,
            cooldowns=cooldowns or Cooldowns(),
            quotas=ManagerQuotas(
                account_key(auth_config or AuthConfig()),
                KnownQuotas(quotas, self._catalog),
                check_share(quota_share),
                check_reserve(quota_reserve),
            ),
        )
        super().__init__(resources)
        self._invoker = Invoker(resources)

    @takes(CallParameters)
    def converse(self, call: CallParameters) -> BedrockResponse:
        """Send a request and return the response.

        Args:
            messages: messages in the form of Converse, with bytes as Python bytes; or a string, which is one
                user message; or None, only for a managed prompt.
            system: the system prompt, as a string or as blocks, `[{"text": ...}]`.
            inference_config: `maxTokens` (from 1), `temperature` and `topP` (0 to 1), `stopSequences`.
            additional_model_request_fields: settings of a specific model, such as `top_k`.
            additional_model_response_field_paths: up to 10 JSON pointers into the model's own response.
            guardrail_config: `guardrailIdentifier`, `guardrailVersion`, `trace`; for streams also
                `streamProcessingMode`.
            tool_config: `tools`, `toolChoice`.
            request_metadata: 1 to 16 pairs of text for the log of model invocations.
            prompt_variables: values for a managed prompt, as text or `{"text": ...}`.
            response_validation_config: a validation of the answer. An invalid answer is requested again.
            performance_config: `{"latency": "standard"}` or `"optimized"`.
            service_tier: `{"type": "default"}`, `"priority"`, `"flex"` or `"reserved"`.
            output_config: `textFormat` (a JSON schema), `effort`.
            extra_request_fields: other top-level fields of Converse with their names in Converse, merged
                last.
            prompt_cache: "auto" places cache points for each model that supports them; None sends the request
                with its own only.
            deadline: seconds from now, or a `Deadline`; None for no limit. An attempt or wait starts only if
                it can end before.
            before_attempt: called with a `PlannedAttempt` before each attempt is sent. An exception that it
                raises ends the call; an `LLMManagerError` has the attempts so far in its `response`.

        Returns:
            A response with `success=True`, or with `success=False` if all answers were invalid.

        Raises:
            RequestValidationError: the request is invalid. `validation_errors` lists all problems.
            AuthenticationError: credentials are missing or rejected.
            RetryExhaustedError: no target answered. Its subclasses are `DeadlineExceededError` and
                `QuotaExceededError`.
            ConfigurationError: an argument has the wrong type, or no model can be called.
        """
        return self._converse(call, Deadline.from_value(call.deadline))

    @takes(CallParameters)
    def converse_stream(self, call: CallParameters) -> StreamingResponse:
        """Send a request and return the response as a stream of text chunks.

        The arguments and exceptions are those of `converse`. The method returns, or raises, when the first
        content has arrived or every target has failed. Iterating over the stream does not raise. A stream
        that is interrupted continues on another target after the received text. A response validation is
        applied to the complete text, without retries. An `LLMManagerError` of `before_attempt` before a
        continuation ends the stream.
        """
        return StreamingResponse(self._answer_stream(call, Deadline.from_value(call.deadline)))

    @overload
    def parse(
        self, messages: Messages, schema: type[T], **call: Unpack[CallKeywords]
    ) -> ParsedResponse[T]: ...

    @overload
    def parse(
        self, messages: Messages, schema: Mapping[str, Any], **call: Unpack[CallKeywords]
    ) -> ParsedResponse[dict[str, Any]]: ...

    def parse(self, messages: Any, schema: Any, **call: Any) -> ParsedResponse[Any]:
        """Send a request and return an answer that follows a schema, as an instance of a type.

        The schema is sent in the form that each model supports. An answer that does not follow it is
        requested again, with the reason, as often as the response validation says; without one, twice.

        Args:
            messages: as in `converse`.
            schema: a dataclass, a TypedDict, a pydantic model, or a JSON schema of an object.
            call: the other arguments of `converse`. The response validation gets the parsed response.

        Raises:
            StructuredOutputError: no answer follows the schema. The subclass is the reason.
            ConfigurationError: the schema is invalid or not supported.
            LLMManagerError: as in `converse`.
        """
        from llmmanager.bedrock.structured.parsing import parsed_response, with_schema

        return parsed_response(self.converse(messages, **with_schema(schema, call)))

    def converse_with_request(
        self,
        request: BedrockConverseRequest,
        response_validation_config: ResponseValidationConfig | None = None,
        *,
        regions: Sequence[str] | None = None,
        deadline: float | Deadline | None = None,
        cancelled: threading.Event | None = None,
        before_attempt: AttemptGuard | None = None,
    ) -> BedrockResponse:
        """Send a request object, and return the response. The exceptions are those of `converse`.

        Args:
            request: the request.
            response_validation_config: as in `converse`.
            regions: some of the manager's regions, in this order; None for all.
            deadline: as in `converse`.
            cancelled: when another thread sets it, the call ends before its next attempt or wait.
            before_attempt: as in `converse`.

        Raises:
            ConfigurationError: `request` is not a `BedrockConverseRequest`, or a region is not the manager's.
        """
        options = CallOptions(
            Deadline.from_value(deadline),
            regions=regions,
            validation=response_validation_config,
            cancelled=cancelled,
            before_attempt=before_attempt,
        )
        return self._send(request, options)

    def converse_stream_with_request(
        self,
        request: BedrockConverseRequest,
        *,
        deadline: float | Deadline | None = None,
        before_attempt: AttemptGuard | None = None,
    ) -> StreamingResponse:
        """Send a request object, and return the response as a stream, as `converse_stream` does.

        Args:
            request: the request.
            deadline, before_attempt: as in `converse`.

        Raises:
            ConfigurationError: `request` is not a `BedrockConverseRequest`.
        """
        options = CallOptions(Deadline.from_value(deadline), before_attempt=before_attempt)
        return StreamingResponse(self._answer_stream_of(request, options))

    def count_tokens(
        self,
        messages: str | Sequence[Message | UntypedDict],
        system: str | Sequence[SystemContentBlock | UntypedDict] | None = None,
        tool_config: ToolConfiguration | UntypedDict | None = None,
        *,
        model: str | None = None,
    ) -> InputTokenCount:
        """Return the number of input tokens of a request, from Bedrock's CountTokens, which is free.

        The number is an upper estimate if no region counts tokens for the model.

        Args:
            messages, system, tool_config: as in `converse`.
            model: one of the manager's models; None for the first one.

        Raises:
            RequestValidationError: the request is invalid for the model.
            ConfigurationError: `model` is not one of the manager's models.
        """
        counted = {"messages": messages, "system": system, "tool_config": tool_config}
        return self._count_tokens(counted, model)

    def estimate_cost(
        self, request: BedrockConverseRequest, *, output_tokens: int | None = None
    ) -> CostEstimate:
        """Return the cost of a request on each target before it is sent. Its input tokens are counted.

        Args:
            request: the request.
            output_tokens: the expected output tokens, at most `maxTokens` or the maximum of each model; None
                for this maximum.

        Raises:
            RequestValidationError: no model accepts the request.
            ConfigurationError: an argument is invalid.
        """
        return self._estimate_cost(request, output_tokens)

    def estimate_file_cost(
        self,
        lines: str | PathLike[str] | Iterable[str | bytes],
        *,
        output_tokens: int | None = None,
        lane: str = "auto",
        deadline_seconds: float | None = None,
        concurrency: int | None = None,
    ) -> FileCostEstimate:
        """Return the cost of a JSON Lines file of records for each model. The file is not loaded as a whole.

        Args:
            lines: the path of the file, or its lines. A record is `{"recordId": …, "modelInput": {…}}`, or
                the fields of a request.
            output_tokens: the expected output tokens of a record, at most its `maxTokens` or the maximum of
                each model; None for this maximum.
            lane, deadline_seconds: as for a batch of these records on a deployed stack. They change only
                `lanes` of the estimate.
            concurrency: the parallel calls of that batch; None for those of a stack with default settings.

        Raises:
            ConfigurationError: an argument is invalid, or no record can use the lane.
            OSError: the file cannot be read.
        """
        from llmmanager.batch_lanes.lane_comparison import CALLS_AT_ONCE, LaneOptions
        from llmmanager.bedrock.tokens.file_cost import file_cost

        return file_cost(
            self._resources,
            lines,
            defaults=self._default_inference_config,
            output_tokens=output_tokens,
            lane_options=LaneOptions(
                lane=lane,
                deadline_seconds=deadline_seconds,
                concurrency=CALLS_AT_ONCE if concurrency is None else concurrency,
            ),
        )

    def close(self) -> None:
        """Close the connections. The manager can be used again afterwards."""
        if threads := vars(self).pop("_call_threads", None):
            threads.close()
        self._clients.close()

    def __getstate__(self) -> NoReturn:
        raise TypeError("a manager cannot be pickled or copied: create one in each process, or fork it")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
