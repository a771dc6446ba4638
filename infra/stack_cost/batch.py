"""Estimate what a batch of the deployed stack costs on AWS.

Counts (state transitions, invocations, requests) follow from the implementation of the stack; tests compare
them with real runs. Durations are modelled.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import cast

from infra.settings import DEFAULTS
from infra.stack_cost.prices import (
    GB_SECOND_USD,
    INVOCATION_USD,
    READ_UNIT_USD,
    S3_GB_MONTH_USD,
    S3_GET_USD,
    S3_PUT_USD,
    TRANSITION_USD,
    WRITE_UNIT_USD,
    CostLine,
    cost_line,
)
from infra.stack_cost.request import CONSISTENT_READ_UNITS, TRANSACTION_WRITE_UNITS
from llmmanager.bedrock.catalog.catalog_entries import AccessQuota, Catalog
from llmmanager.bedrock.catalog.names import NameResolver
from llmmanager.bedrock.catalog.snapshot import load_snapshot
from llmmanager.bedrock.exceptions.llm_manager_exceptions import ConfigurationError
from llmmanager.bedrock.pricing import estimate_cost
from llmmanager.bedrock.quota_capacity import seconds_of_batch

# Constants of the stack. Tests compare them with lambdas/batch and infra/batch.py.
FIRST_SHARD_SIZE, MAX_SHARD_BYTES = 32, 32_000_000
PART_RESULTS, PART_SECONDS = 25, 1.5
CHECK_SECONDS = 3.0
WRITER_PART_BYTES = 8 * 1024 * 1024
MARGIN_SECONDS, REQUEST_SECONDS = 10.0, 240.0
STEP_MEMORY_MB = 1024

# Measured on 2026-12-01 (see docs/costs.md): seconds of one CPU per record; bytes in addition to the text.
PLAN_CPU_SECONDS, WORKER_CPU_SECONDS, COLLECT_CPU_SECONDS = 0.00005, 0.0015, 0.00013
START_SECONDS = 1.0
# An item that marks the usage of an invocation as counted.
MARK_BYTES = 100
RECORD_BYTES, RESULT_BYTES, BYTES_PER_TOKEN = 160, 1020, 4
# With this much memory, a function has one CPU; with less, a proportional share.
MB_PER_CPU = 1769


def _default(key: str) -> int:
    return cast(int, DEFAULTS[key])


@dataclass(frozen=True, kw_only=True)
class BatchStack:
    """Settings of the stack that affect the cost of a batch. Their defaults are those of the stack.

    Attributes:
        regions: number of configured regions.
        shard_size: maximum number of records in a shard.
        worker_concurrency: concurrent calls in one worker.
        map_concurrency: concurrent shards.
        worker_memory_mb: memory of a worker in MB.
        worker_timeout_seconds: timeout of a worker. The next worker continues its shard.
        batch_expiry_days: days until the files of a batch are deleted.
    """

    regions: int = len(cast(list[str], DEFAULTS["regions"]))
    shard_size: int = _default("shard_size")
    worker_concurrency: int = _default("worker_concurrency")
    map_concurrency: int = _default("map_concurrency")
    worker_memory_mb: int = 512
    worker_timeout_seconds: int = _default("worker_timeout_seconds")
    batch_expiry_days: int = _default("batch_expiry_days")

    def __post_init__(self) -> None:
        _check_positive(**vars(self))


@dataclass(frozen=True)
class BatchCost:
    """Estimated cost of a batch in USD.

    Attributes:
        lines: one for each item that AWS bills, without tokens.
        tokens_usd: tokens on demand; None if the price is unknown.
        batch_tokens_usd: the same tokens with Bedrock batch inference; None if the model does not support it.
        seconds: duration of the batch if no quota limits it.
        quota_seconds: how long the quotas make the batch; None if they are not given.
        warning: why the deadline cannot be met; None if it can, or if there is none.
    """

    lines: tuple[CostLine, ...]
    tokens_usd: float | None
    batch_tokens_usd: float | None
    seconds: float
    quota_seconds: float | None = None
    warning: str | None = None

    @property
    def services_usd(self) -> float:
        """Cost without tokens."""
        return sum(line.usd for line in self.lines)

    @property
    def total_usd(self) -> float | None:
        """Services and tokens on demand; None if the price of tokens is unknown."""
        return None if self.tokens_usd is None else self.services_usd + self.tokens_usd

    def count(self, what: str) -> float:
        """Return the count of the line with this `what`."""
        return next(line.count for line in self.lines if line.what == what)

    def rows(self) -> list[tuple[str, float | None]]:
        """Return names and USD: each service, tokens on demand, the total, tokens with batch inference."""
        services: dict[str, float | None] = {}
        for line in self.lines:
            services[line.service] = (services.get(line.service) or 0.0) + line.usd
        return [
            *services.items(),
            ("Tokens on demand", self.tokens_usd),
            ("Total", self.total_usd),
            ("(tokens with batch inference)", self.batch_tokens_usd),
        ]


def estimate_batch_cost(
    model: str,
    *,
    records: int,
    input_tokens: int,
    output_tokens: int,
    latency_seconds: float,
    stack: BatchStack | None = None,
    tokens_per_minute: float | None = None,
    requests_per_minute: float | None = None,
    quota_reserve: float = 0.1,
    deadline_seconds: float | None = None,
) -> BatchCost:
    """Return the estimated cost of a batch whose records are all answered at the first attempt.

    Args:
        model: name, id or ARN of a model, as for `LLMManager`. An inference profile is priced as such.
        records: number of records.
        input_tokens, output_tokens: average per record.
        latency_seconds: average per call; at most 240, the timeout of a worker's call.
        stack: settings; None for the defaults.
        tokens_per_minute, requests_per_minute: quotas of the model, added up over the regions and access
            methods that the batch uses; None if unknown.
        quota_reserve: the part of the quotas that batches leave to single requests; from 0, below 1.
        deadline_seconds: the deadline of the batch; None for no deadline.

    Raises:
        ConfigurationError: a number is out of range, or the model is unknown.
    """
    _check_positive(records=records)
    _check_positive(least=0, input_tokens=input_tokens, output_tokens=output_tokens)
    if not isinstance(latency_seconds, int | float) or not 0 <= latency_seconds <= REQUEST_SECONDS:
        raise ConfigurationError(
            f"latency_seconds must be from 0 to {REQUEST_SECONDS:g} (got {latency_seconds!r})",
            {"latency_seconds": latency_seconds},
        )
    work = _Work(stack or BatchStack(), records, input_tokens, output_tokens, latency_seconds)
    usage = {"inputTokens": records * input_tokens, "outputTokens": records * output_tokens}
    resolved = NameResolver(Catalog(load_snapshot())).resolve(model)
    profile_id = resolved.pinned_invoke_id
    tokens, batch_tokens = (
        estimate_cost(resolved.model_id, usage, inference_profile_id=profile_id, service_tier=tier)
        for tier in (None, "batch")
    )
    quotas = AccessQuota(tokens_per_minute, requests_per_minute)
    quota_seconds = seconds_of_batch(
        resolved.model_id, usage, records=records, quotas=quotas, reserve=quota_reserve
    )
    seconds = max(work.seconds(), quota_seconds or 0.0)
    return BatchCost(
        lines=tuple(work.lines()),
        tokens_usd=tokens,
        batch_tokens_usd=batch_tokens,
        seconds=work.seconds(),
        quota_seconds=quota_seconds,
        warning=(
            f"the batch takes about {seconds:,.0f} s, longer than the deadline of {deadline_seconds:,.0f} s"
            if deadline_seconds is not None and seconds > deadline_seconds
            else None
        ),
    )


def shard_sizes(records: int, *, shard_size: int, regions: int) -> Mapping[int, int]:
    """Return the number of shards by size. The first shards are small; each round doubles the size."""
    sizes: Counter[int] = Counter()
    size, left = min(FIRST_SHARD_SIZE, shard_size), records
    while left and size < shard_size:
        for _ in range(regions):
            sizes[min(size, left)] += 1
            left -= min(size, left)
        size = min(size * 2, shard_size)
    full, rest = divmod(left, shard_size)
    sizes[shard_size] += full
    sizes[rest] += 1
    return {size: count for size, count in sizes.items() if size and count}


@dataclass(frozen=True)
class _Work:
    """The work of the stack for a batch."""

    stack: BatchStack
    records: int
    input_tokens: int
    output_tokens: int
    latency: float
    sizes: Mapping[int, int] = field(init=False)

    def __post_init__(self) -> None:
        # Shards of large records reach their maximum bytes before their maximum number of records.
        most = min(self.stack.shard_size, max(1, MAX_SHARD_BYTES // self._record_bytes))
        sizes = shard_sizes(self.records, shard_size=most, regions=self.stack.regions)
        object.__setattr__(self, "sizes", sizes)

    def lines(self) -> Iterator[CostLine]:
        """Yield the counts and costs of the items that AWS bills."""
        shards = sum(self.sizes.values())
        runs = self._over_shards(self._invocations)
        # Batch: start, Plan, AnyShards, RunShards, Collect. Shard: start, RunShard, ShardDone, ShardAnswered.
        transitions = 5 + 2 * shards + 2 * runs
        yield cost_line("Step Functions", "state transitions", transitions, TRANSITION_USD)
        yield cost_line("Lambda", "GB-seconds", self._gb_seconds(), GB_SECOND_USD)
        yield cost_line("Lambda", "invocations", 2 + runs, INVOCATION_USD)
        yield cost_line("S3", "PUT and LIST requests", self._puts(shards, runs), S3_PUT_USD)
        yield cost_line("S3", "GET requests", self._gets(shards, runs), S3_GET_USD)
        yield cost_line("S3", "GB-months", self._gb_months(), S3_GB_MONTH_USD)
        # A read of up to 4 KB costs half a unit: a region's catalog item, and the shared cooldowns.
        environments = 3 + min(shards, self.stack.map_concurrency)  # the plan reads the quotas twice more
        catalog_reads = environments * self.stack.regions / 2 + runs / 2
        # A worker reads the budget of its caller, and counts its usage, which is one row for one model, and
        # the item that marks it as counted. Collect reads these items.
        reads = catalog_reads + runs * CONSISTENT_READ_UNITS + math.ceil(runs * MARK_BYTES / 4096) / 2
        yield cost_line("DynamoDB", "read units", reads, READ_UNIT_USD)
        yield cost_line("DynamoDB", "write units", 2 * runs * TRANSACTION_WRITE_UNITS, WRITE_UNIT_USD)

    def seconds(self) -> float:
        """Return the duration of plan, concurrent shards and collect."""
        concurrent = self._over_shards(self._shard_seconds) / self.stack.map_concurrency
        longest = max(self._shard_seconds(size) for size in self.sizes)
        return (
            self._step_seconds(PLAN_CPU_SECONDS)
            + max(concurrent, longest)
            + self._step_seconds(COLLECT_CPU_SECONDS)
        )

    def _over_shards(self, per_shard: Callable[[int], float]) -> float:
        """Return the sum over all shards of a function of the shard's size."""
        return sum(per_shard(size) * count for size, count in self.sizes.items())

    def _step_seconds(self, cpu: float) -> float:
        return START_SECONDS + self.records * cpu * MB_PER_CPU / min(STEP_MEMORY_MB, MB_PER_CPU)

    def _run_seconds(self, size: int) -> float:
        """Return the time for the calls of a shard, or for their CPU time if that is longer."""
        calls = math.ceil(size / self.stack.worker_concurrency) * self.latency
        cpu = size * WORKER_CPU_SECONDS * MB_PER_CPU / min(self.stack.worker_memory_mb, MB_PER_CPU)
        return max(calls, cpu)

    def _invocations(self, size: int) -> int:
        """Return the number of consecutive workers of a shard. A worker starts only calls that it can end."""
        end = self.stack.worker_timeout_seconds - min(MARGIN_SECONDS, self.stack.worker_timeout_seconds / 5)
        return max(1, math.ceil(self._run_seconds(size) / (end - min(REQUEST_SECONDS, end / 2))))

    def _shard_seconds(self, size: int) -> float:
        return self._run_seconds(size) + START_SECONDS * self._invocations(size)

    def _gb_seconds(self) -> float:
        workers = self._over_shards(self._shard_seconds) * self.stack.worker_memory_mb
        steps = self._step_seconds(PLAN_CPU_SECONDS) + self._step_seconds(COLLECT_CPU_SECONDS)
        return (workers + steps * STEP_MEMORY_MB) / 1024

    def _parts(self, size: int) -> int:
        """Return the maximum number of result files of a shard: one is written when full or after a time."""
        return min(size, math.ceil(size / PART_RESULTS) + int(self._run_seconds(size) / PART_SECONDS))

    def _puts(self, shards: int, runs: float) -> float:
        """Return the number of PUT and LIST requests, which have the same price."""
        # Once: the list of runs, the new run, rejected, options, lanes, manifest, the list of jobs, summary,
        # report, results, failed. Each worker lists the parts of its shard. Collect lists all parts.
        written = 9 + part_uploads(self.records * self._result_bytes) + 1
        return written + shards + self._over_shards(self._parts) + runs + shards

    def _looks(self, size: int) -> int:
        """Return how often the workers of a shard check whether the batch was stopped."""
        return self._invocations(size) + int(self._run_seconds(size) / CHECK_SECONDS)

    def _read_again(self, size: int) -> float:
        """Return the reads of additional workers, which read the results of the previous ones."""
        return (self._invocations(size) - 1) * self._parts(size) / 2

    def _gets(self, shards: int, runs: float) -> float:
        # Plan: an earlier run, the input. Step Functions: the manifest. Worker: options, shard, stop signal.
        # Collect: plan, options, lanes, stop signal, manifest, each shard and part.
        read_by_workers = 2 * runs + self._over_shards(self._looks) + self._over_shards(self._read_again)
        return 2 + 1 + read_by_workers + 5 + shards + self._over_shards(self._parts)

    def _gb_months(self) -> float:
        """Return the storage of shards, parts and results until they are deleted."""
        months = self.stack.batch_expiry_days / 30
        return self.records * (self._record_bytes + 2 * self._result_bytes) / 1e9 * months

    @property
    def _record_bytes(self) -> int:
        return RECORD_BYTES + self.input_tokens * BYTES_PER_TOKEN

    @property
    def _result_bytes(self) -> int:
        return RESULT_BYTES + self.output_tokens * BYTES_PER_TOKEN


def part_uploads(size: int) -> int:
    """Return the number of requests to write an object: one, or those of a multipart upload."""
    return 1 if size < WRITER_PART_BYTES else 2 + math.ceil(size / WRITER_PART_BYTES)


def _check_positive(least: int = 1, **numbers: int) -> None:
    for name, value in numbers.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ConfigurationError(
                f"{name} must be a whole number of at least {least} (got {value!r})", {name: value}
            )
