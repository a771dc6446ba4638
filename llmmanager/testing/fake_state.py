"""The state of a FakeBedrock, and the methods that change and read it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any

from .answers import Answer
from .batch_jobs import BatchJobs
from .billing import ModelUsage, TokenCount, UsageLedger
from .call_log import Call, CallLog
from .catalog import FakeCatalog
from .errors import ServiceError
from .job_rules import JobFault, JobSettings
from .job_store import JobRules
from .quotas import QuotaLedger
from .resources import Guardrail, Resource, Resources
from .rule_book import RuleBook
from .rules import Fault, Latency, Quota, Scope
from .runtime import Runtime
from .tokens import PromptCache


class FakeBedrockState:
    """The rules, quotas, resources, batch jobs, bills and calls of a FakeBedrock."""

    def __init__(
        self,
        catalog: FakeCatalog,
        *,
        seed: int,
        window_seconds: float,
        page_size: int,
        log_limit: int,
        s3_endpoint: str,
        on_call: Callable[[Call], None] | None,
        clock: Callable[[], float],
        think: Callable[[Call, Mapping[str, Any]], Awaitable[Answer]],
    ) -> None:
        self._log = CallLog(limit=log_limit, on_end=on_call)
        self._rules = RuleBook(seed=seed)
        self._quotas = QuotaLedger(window_seconds=window_seconds, clock=clock)
        self._cache = PromptCache(clock)
        self._usage = UsageLedger()
        self._resources = Resources(catalog)
        self._runtime = Runtime(
            rules=self._rules,
            quotas=self._quotas,
            cache=self._cache,
            usage=self._usage,
            log=self._log,
            think=think,
        )
        self._job_rules = JobRules(s3_endpoint)
        self._jobs = BatchJobs(
            self._job_rules,
            clock=clock,
            seed=seed,
            page_size=page_size,
            answer=self._runtime.answer_record,
        )

    def add_fault(self, fault: Fault) -> int:
        """Add a fault, and return its handle. The first matching fault applies to a call."""
        return self._rules.add_fault(fault)

    def remove_fault(self, handle: int) -> None:
        """Remove a fault.

        Raises:
            KeyError: no fault has the handle.
        """
        self._rules.remove_fault(handle)

    def clear_faults(self) -> None:
        """Remove every fault."""
        self._rules.clear_faults()

    @property
    def faults(self) -> dict[int, Fault]:
        """The active faults by handle."""
        return self._rules.faults()

    def set_quota(
        self,
        *,
        tokens_per_minute: int | None = None,
        requests_per_minute: int | None = None,
        tokens_per_day: int | None = None,
        **scope: str,
    ) -> None:
        """Set limits that apply to each model, region and access method in `scope` (fields of `Scope`).

        `ListServiceQuotas` of Service Quotas returns the limits with AWS's names.
        """
        self._quotas.add(
            Quota(
                tokens_per_minute=tokens_per_minute,
                requests_per_minute=requests_per_minute,
                tokens_per_day=tokens_per_day,
                **scope,
            )
        )

    def clear_quotas(self) -> None:
        """Remove all quotas and counts."""
        self._quotas.clear()

    @property
    def window_seconds(self) -> float:
        """The length of the quota window in seconds."""
        return self._quotas.window_seconds

    def set_window(self, seconds: float) -> None:
        """Set the length of the quota window in seconds. A quota day has 1,440 windows.

        Raises:
            ValueError: the length is not above 0.
        """
        check_positive(window_seconds=seconds)
        self._quotas.window_seconds = seconds

    @property
    def quotas(self) -> tuple[Quota, ...]:
        """The active quotas, in the order in which they were set."""
        return self._quotas.quotas()

    def usage(self, **scope: str) -> tuple[ModelUsage, ...]:
        """Return the billed usage by model, region and access method since the start or the last reset.

        `scope` accepts `model_id`, `region` and `access_method` as filters. An answer is billed when it is
        generated, even if it does not reach the caller.

        Raises:
            TypeError: `scope` has another name.
        """
        if unknown := set(scope) - {"model_id", "region", "access_method"}:
            raise TypeError(f"usage() accepts model_id, region and access_method, not {', '.join(unknown)}")
        return tuple(
            row
            for row in self._usage.rows()
            if all(getattr(row, name) == value for name, value in scope.items())
        )

    @property
    def billed(self) -> TokenCount:
        """All billed tokens, including lost answers."""
        return sum((row.billed for row in self.usage()), TokenCount())

    @property
    def delivered(self) -> TokenCount:
        """The tokens of all answers that reached their caller completely."""
        return sum((row.delivered for row in self.usage()), TokenCount())

    def set_latency(
        self,
        seconds: float | tuple[float, float] = 0.0,
        *,
        first_token: float | tuple[float, float] | None = None,
        per_chunk: float | tuple[float, float] = 0.0,
        **scope: str,
    ) -> None:
        """Set how long answers in `scope` (fields of `Scope`) take. The last matching latency applies.

        Each value is a number of seconds or a (minimum, maximum) pair, as in `Latency`.
        """
        self._rules.add_latency(
            Latency(seconds=seconds, first_token=first_token, per_chunk=per_chunk, **scope)
        )

    def deny(self, model: str = "", **scope: str) -> None:
        """Deny access to `model` in `scope` (fields of `Scope`)."""
        self._rules.deny(Scope(model=model, **scope))

    def close_region(self, region: str) -> None:
        """Make a region not enabled in the account."""
        self._rules.close_region(region)

    def enable_regions(self, *regions: str) -> None:
        """Enable only these regions in the account."""
        self._rules.enable_regions(regions)

    def reject_credentials(
        self, access_key_id: str, *, error: str = "ExpiredTokenException", message: str = ""
    ) -> None:
        """Reject callers with this access key id or Bedrock API key with the given error."""
        self._rules.reject_credentials(access_key_id, ServiceError(error, message))

    def add_guardrail(
        self, identifier: str, *, versions: Collection[str] = ("DRAFT", "1"), region: str = ""
    ) -> None:
        """Add a guardrail in a region, or in all of them. `abc123` and `gr1` always exist."""
        self._resources.add_guardrail(Guardrail(identifier=identifier, versions=versions, region=region))

    def add_resource(self, arn: str, *, model: str = "", text: str = "") -> None:
        """Set the model, by its id or profile, behind an ARN (application inference profile, prompt, …).

        `text` is a prompt's text with variables as `{{name}}`. Other ARNs call Nova Lite, or the first
        model of a region without it.
        """
        self._resources.add(Resource(arn=arn, model=model, text=text))

    def set_s3_endpoint(self, url: str, *, certificate: str | None = None) -> None:
        """Set the S3 endpoint from which batch jobs read, and to which they write.

        `certificate` is the CA certificate file of an endpoint with HTTPS.
        """
        self._job_rules.s3_endpoint = url
        self._job_rules.s3_certificate = certificate

    def set_jobs(self, **settings: float) -> None:
        """Change how long new batch jobs take, and their limits (fields of `JobSettings`)."""
        self._job_rules.change(**settings)

    @property
    def job_settings(self) -> JobSettings:
        """The settings of new batch jobs."""
        return self._job_rules.settings

    def add_job_fault(self, fault: JobFault) -> None:
        """Script the outcome of new batch jobs. The first matching fault applies to a job."""
        self._job_rules.add_fault(fault)

    def clear_job_faults(self) -> None:
        """Remove the scripted outcomes of batch jobs."""
        self._job_rules.clear_faults()

    @property
    def jobs(self) -> tuple[dict[str, Any], ...]:
        """The batch jobs in the order of their creation.

        Each is an answer of GetModelInvocationJob with `region`, `model` (the model's id) and `billed` (the
        billed tokens with the names of Converse's `usage`).
        """
        return self._jobs.snapshot()

    @property
    def calls(self) -> tuple[Call, ...]:
        """The received calls in order of arrival, in their current state."""
        return self._log.snapshot()

    @property
    def in_flight(self) -> int:
        """The number of calls that are in progress."""
        return self._log.in_flight

    @property
    def peak_in_flight(self) -> int:
        """The highest number of calls that were in progress at the same time."""
        return self._log.peak_in_flight

    def reset(self) -> None:
        """Remove all rules, calls, quotas, cached prompts, batch jobs and bills.

        Models, resources and the S3 endpoint stay.
        """
        self._rules.clear()
        self._quotas.clear()
        self._cache.clear()
        self._jobs.clear()
        self._job_rules.clear()
        self._usage.clear()
        self._log.clear()


def check_positive(**values: float) -> None:
    """Raise ValueError unless all values are above 0."""
    for name, value in values.items():
        if value <= 0:
            raise ValueError(f"{name} must be more than 0, not {value!r}")
