"""ParallelLLMManager: sends many requests concurrently."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Self

from llmmanager.bedrock.catalog.unified_model_manager import UnifiedModelManager
from llmmanager.bedrock.exceptions.parallel_exceptions import ParallelConfigurationError
from llmmanager.bedrock.models.bedrock_response import BedrockResponse
from llmmanager.bedrock.models.call_parameters import takes
from llmmanager.bedrock.models.llm_manager_constants import LLMManagerConfig
from llmmanager.bedrock.models.llm_manager_structures import (
    AuthConfig,
    RetryConfig,
)
from llmmanager.bedrock.models.model_quota import ModelQuota
from llmmanager.bedrock.models.parallel_structures import (
    BedrockConverseRequest,
    ParallelProcessingConfig,
    ParallelResponse,
)
from llmmanager.bedrock.parallel.executor import Executor
from llmmanager.bedrock.parallel.load_balancing import LoadBalancer
from llmmanager.bedrock.parallel.request_runs import RequestRuns, not_started
from llmmanager.bedrock.parallel.run_parameters import (
    CollectedParameters,
    IteratedParameters,
    RetryParameters,
)
from llmmanager.bedrock.parallel.run_results import merge_retry, merged_error
from llmmanager.bedrock.parallel.warm_prefixes import WarmPrefixes
from llmmanager.bedrock.routing.cooldown import Cooldowns
from llmmanager.llm_manager import LLMManager

if TYPE_CHECKING:
    from llmmanager.bedrock.models.converse_types import InferenceConfiguration, UntypedDict

__all__ = ["ParallelLLMManager"]


class ParallelLLMManager(RequestRuns):
    """Runs many Converse requests concurrently, distributed over the configured regions. Thread-safe.

    A `with` block closes the manager at its end.

    Args:
        models, regions, auth_config, retry_config: as in `LLMManager`.
        parallel_config: concurrency, timeout, load balancing and failure handling; None for
            `ParallelProcessingConfig()`.
        default_inference_config, timeout, unified_model_manager, cooldowns: as in `LLMManager`.
        quotas, quota_share, quota_reserve: as in `LLMManager`.

    Raises:
        ConfigurationError, ParallelConfigurationError: a setting is invalid.
    """

    def __init__(
        self,
        models: Sequence[str],
        regions: Sequence[str],
        auth_config: AuthConfig | None = None,
        retry_config: RetryConfig | None = None,
        parallel_config: ParallelProcessingConfig | None = None,
        default_inference_config: InferenceConfiguration | UntypedDict | None = None,
        timeout: float = LLMManagerConfig.DEFAULT_TIMEOUT,
        *,
        unified_model_manager: UnifiedModelManager | None = None,
        cooldowns: Cooldowns | None = None,
        quotas: Sequence[ModelQuota] = (),
        quota_share: float = 1.0,
        quota_reserve: float = 0.0,
    ) -> None:
        if parallel_config is not None and not isinstance(parallel_config, ParallelProcessingConfig):
            raise ParallelConfigurationError(
                f"parallel_config must be a ParallelProcessingConfig (got {type(parallel_config).__name__})",
                "parallel_config",
                parallel_config,
            )
        self._config = parallel_config or ParallelProcessingConfig()
        self._manager = LLMManager(
            models=models,
            regions=regions,
            auth_config=auth_config,
            retry_config=retry_config,
            unified_model_manager=unified_model_manager,
            default_inference_config=default_inference_config,
            timeout=timeout,
            max_connections=self._config.max_concurrent_requests,
            cooldowns=cooldowns,
            quotas=quotas,
            quota_share=quota_share,
            quota_reserve=quota_reserve,
        )
        self._regions = self._manager.get_available_regions()
        self._balancer = LoadBalancer(self._regions, self._config.load_balancing_strategy)
        self._warm_prefixes = WarmPrefixes()
        self._executor = Executor(self._answer, self._config.max_concurrent_requests)

    @takes(CollectedParameters)
    def converse_parallel(self, call: CollectedParameters) -> ParallelResponse:
        """Send all requests and return their responses. A failed request does not raise an exception.

        Args:
            requests: at least one, with unique ids. They are not changed.
            target_regions_per_request: the number of regions that each request may use, in the order chosen
                by load balancing; from 1 to the number of regions. The default is 2, or 1 with one region.
            response_validation_config: the validation of each answer, or None.
            deadline: seconds from now, or a `Deadline`, for the whole run; None for no limit.
            before_attempt: as in `LLMManager.converse`, called on the threads of the run.

        Raises:
            ParallelConfigurationError: no requests, duplicate ids, or more target regions than configured.
            ParallelExecutionError: a STOP strategy stopped the run. Its `response` contains the answers
                received before.
        """
        return self._converse_all(call)

    @takes(RetryParameters)
    def retry_failed_requests(self, call: RetryParameters) -> ParallelResponse:
        """Send the failed requests of a run again, and return the run with the new responses.

        The attempts of both runs are in the responses, so that all tokens and costs are counted.

        Args:
            previous_response: the response of `converse_parallel`, or of its `ParallelExecutionError`.
            filter_func: called with the id and the response of each failed request; returns whether to send
                it again. None for all. If it selects no request, `previous_response` is returned.
            target_regions_per_request, response_validation_config: as in `converse_parallel`, with None for
                its default.
            deadline, before_attempt: as in `converse_parallel`.

        Raises:
            ParallelConfigurationError: no request failed, or `previous_response` is without the requests.
            ParallelExecutionError: a STOP strategy stopped the run. Its `response` has the responses of both
                runs.
        """
        again = call.of_retry()
        if again is None:
            return call.previous_response
        with merged_error(call.previous_response, self._config):
            retry = self._converse_all(again)
        return merge_retry(call.previous_response, retry, self._config)

    @takes(IteratedParameters)
    def iter_responses(
        self, call: IteratedParameters
    ) -> Iterator[tuple[BedrockConverseRequest, BedrockResponse]]:
        """Return an iterator over requests and their responses, in order of completion.

        Memory use is constant: a request is read only when another one completes, or while others wait for
        the prompt cache. No request is read after `deadline`, and running requests end by it. A failed
        request is yielded with `success=False` and does not raise an exception. If the caller closes the
        iterator early, running requests make no further attempt and the iterator waits for them.

        Args:
            requests: any iterable, e.g. a generator.
            target_regions_per_request: the number of regions that each request may use; None for all.
            response_validation_config: the validation of each answer, or None.
            deadline: seconds from now, or a `Deadline`, for the whole run; None for no limit.
            keep_region_order: use the regions in the configured order for every request, without load
                balancing. This keeps a prompt cache warm in the first region.
            stop: when another thread sets it, the run ends early: no further request is read, and no request
                waits for quota. A request that would have to wait is yielded with `success=False` and a
                `QuotaExceededError`, and one that waits for the prompt cache with a
                `RequestNotStartedError`. The event is also set when the caller closes the iterator early. A
                caller that passes it is expected to repeat requests later. So with `on_throttle` "wait", a
                request whose model has no quota in time, or no daily quota, is yielded too, and not sent to
                another model.
            before_attempt: as in `LLMManager.converse`, called on the threads of the run. A request that it
                ends with an `LLMManagerError` is yielded with `success=False` and this error.

        Raises:
            ParallelConfigurationError: `requests` is not iterable, or more target regions than configured.
        """
        run = self._iterated_run(call)

        def responses() -> Iterator[tuple[BedrockConverseRequest, BedrockResponse]]:
            items = self._start_order(call.requests, run)
            completed = self._executor.completed(
                items, deadline=run.deadline, stop=run.stop, abandoned=run.cancelled
            )
            for item, response in completed:
                yield item.request, response
            for item in items.waiting:
                yield item.request, not_started()

        return responses()

    def _converse_all(self, call: CollectedParameters) -> ParallelResponse:
        run = self._collected_run(call)
        items = self._start_order(run.ordered, run.settings)
        for item, response in self._executor.completed(items, stop=run.settings.cancelled):
            run.add(item, response)
        return run.result()

    def seconds_without_quota(self) -> float:
        """Return for how many seconds requests have waited for quota while no call was admitted.

        It is 0 if no request waits.
        """
        return self._manager._resources.quotas.seconds_without_admission()

    def converse_with_request(self, request: BedrockConverseRequest) -> BedrockResponse:
        """Send one request, and return its response. The exceptions are those of `LLMManager.converse`."""
        return self._manager.converse_with_request(request)

    def get_underlying_llm_manager(self) -> LLMManager:
        """Return the manager that sends the requests."""
        return self._manager

    def get_parallel_config(self) -> ParallelProcessingConfig:
        """Return the settings of parallel runs."""
        return self._config

    def validate_configuration(self) -> dict[str, Any]:
        """Check models, regions and credentials, as `LLMManager.validate_configuration` does."""
        return self._manager.validate_configuration()

    def refresh_model_data(self) -> None:
        """Refresh the models of the configured regions, as `LLMManager.refresh_model_data` does."""
        self._manager.refresh_model_data()

    def close(self) -> None:
        """Stop the threads and close the connections."""
        self._executor.close()
        self._manager.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
