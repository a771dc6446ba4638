"""What a batch of the deployed stack costs on AWS, worked out from its records and the stack's settings.

    python -m llmmanager.bedrock.batch_cost --records 1000000 --model "Nova Lite"

Counts (state transitions, invocations, requests) follow from how the stack works, and tests hold them to real
runs. Seconds are a model of them. Prices are AWS's list prices in us-east-1, before taxes and free tiers.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from llmmanager.bedrock.catalog.entries import Catalog
from llmmanager.bedrock.catalog.names import NameResolver
from llmmanager.bedrock.catalog.snapshot import load_snapshot
from llmmanager.bedrock.exceptions.llm_manager_exceptions import ConfigurationError
from llmmanager.bedrock.pricing import estimate_cost

# USD, 2026-11-22. Lambda's GB-seconds are those of ARM.
TRANSITION_USD = 0.025 / 1_000
GB_SECOND_USD = 1.33334e-05
INVOCATION_USD = 0.20 / 1_000_000
S3_PUT_USD = 0.005 / 1_000
S3_GET_USD = 0.0004 / 1_000
S3_GB_MONTH_USD = 0.023
READ_UNIT_USD = 0.125 / 1_000_000
BATCH_PRICE_SHARE = 0.5

# The stack's own constants; tests hold them to lambdas/batch and infra/batch.py.
FIRST_SHARD_SIZE, MAX_SHARD_BYTES = 32, 32_000_000
PART_RESULTS, PART_SECONDS = 25, 1.5
LOOK_SECONDS = 3.0
WRITER_PART_BYTES = 8 * 1024 * 1024
MARGIN_SECONDS, REQUEST_SECONDS = 10.0, 240.0
STEP_MEMORY_MB = 1024

# Measured on 2026-11-23 (see docs/costs.md): seconds of a whole CPU, and bytes beside the text.
PLAN_CPU_SECONDS, WORKER_CPU_SECONDS, COLLECT_CPU_SECONDS = 0.00005, 0.0015, 0.00012
START_SECONDS = 1.0
RECORD_BYTES, RESULT_BYTES, BYTES_PER_TOKEN = 160, 640, 4
# Lambda gives a whole CPU for this much memory, and shares of it for less.
MB_PER_CPU = 1769


_BATCH_PRICES = Path(__file__).parent / "catalog" / "batch_prices.json"


@dataclass(frozen=True, kw_only=True)
class BatchStack:
    """The settings of the stack that what a batch costs depends on, with the defaults of cdk.json.

    Attributes:
        regions: how many regions are configured.
        shard_size: records in a shard, at most.
        worker_concurrency: calls at once in one worker.
        map_concurrency: shards that run at once.
        worker_memory_mb: a worker's memory.
        worker_timeout_seconds: how long one worker lasts before the next goes on.
        batch_expiry_days: how long a batch's files are kept.
    """

    regions: int = 3
    shard_size: int = 1_000
    worker_concurrency: int = 32
    map_concurrency: int = 10
    worker_memory_mb: int = 512
    worker_timeout_seconds: int = 900
    batch_expiry_days: int = 30

    def __post_init__(self) -> None:
        _check_positive(**vars(self))


@dataclass(frozen=True)
class CostLine:
    """One line of an estimate: how many of what, and what they cost together in USD."""

    service: str
    what: str
    count: float
    usd: float


@dataclass(frozen=True)
class BatchCost:
    """What a batch costs, in USD.

    Attributes:
        lines: one for each thing that AWS bills, the tokens apart.
        tokens_usd: the model's tokens on demand; None when no price is known.
        batch_tokens_usd: the same tokens at the price of Bedrock's own batch inference; None for a model
            that has none.
        seconds: how long the batch takes, when no quota holds it up.
    """

    lines: tuple[CostLine, ...]
    tokens_usd: float | None
    batch_tokens_usd: float | None
    seconds: float

    @property
    def services_usd(self) -> float:
        """All but the tokens."""
        return sum(line.usd for line in self.lines)

    @property
    def total_usd(self) -> float | None:
        """Services and tokens on demand; None when the tokens' price is not known."""
        return None if self.tokens_usd is None else self.services_usd + self.tokens_usd

    def count(self, what: str) -> float:
        """How many of what one line counts."""
        return next(line.count for line in self.lines if line.what == what)

    def rows(self) -> list[tuple[str, float | None]]:
        """Names and USD: the services, tokens on demand, the total, tokens in Bedrock's own batches."""
        services: dict[str, float | None] = {}
        for line in self.lines:
            services[line.service] = (services.get(line.service) or 0.0) + line.usd
        return [
            *services.items(),
            ("Tokens, on demand", self.tokens_usd),
            ("In all", self.total_usd),
            ("(tokens in Bedrock's own batches)", self.batch_tokens_usd),
        ]


def estimate_batch_cost(
    model: str,
    *,
    records: int,
    input_tokens: int,
    output_tokens: int,
    latency_seconds: float,
    stack: BatchStack | None = None,
) -> BatchCost:
    """What a batch costs in which every record is answered at the first attempt.

    Args:
        model: a name as `LLMManager` takes it; a profile's own price holds where one is named.
        records: how many.
        input_tokens, output_tokens: of one record, on average.
        latency_seconds: of one call, on average; at most 240, after which a worker gives up.
        stack: the settings; the defaults when None.

    Raises:
        ConfigurationError: a number that cannot be, or no model of this name.
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
    tokens = estimate_cost(resolved.model_id, usage, inference_profile_id=resolved.pinned_invoke_id)
    has_batch = tokens is not None and resolved.model_id in _with_batch_price()
    return BatchCost(
        lines=tuple(work.lines()),
        tokens_usd=tokens,
        batch_tokens_usd=tokens * BATCH_PRICE_SHARE if tokens is not None and has_batch else None,
        seconds=work.seconds(),
    )


def shard_sizes(records: int, *, shard_size: int, regions: int) -> Mapping[int, int]:
    """How many shards there are of each size: the first ones are small, each round is twice as large."""
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
    """What the stack does for a batch."""

    stack: BatchStack
    records: int
    input_tokens: int
    output_tokens: int
    latency: float
    sizes: Mapping[int, int] = field(init=False)

    def __post_init__(self) -> None:
        # Large records fill a shard before there are many of them.
        most = min(self.stack.shard_size, max(1, MAX_SHARD_BYTES // self._record_bytes))
        sizes = shard_sizes(self.records, shard_size=most, regions=self.stack.regions)
        object.__setattr__(self, "sizes", sizes)

    def lines(self) -> Iterator[CostLine]:
        shards = sum(self.sizes.values())
        runs = self._over_shards(self._invocations)
        # Start, Plan, AnyShards, RunShards, Collect; a shard's start, RunShard and ShardDone, ShardAnswered.
        transitions = 5 + 2 * shards + 2 * runs
        yield _line("Step Functions", "state transitions", transitions, TRANSITION_USD)
        yield _line("Lambda", "GB-seconds", self._gb_seconds(), GB_SECOND_USD)
        yield _line("Lambda", "invocations", 2 + runs, INVOCATION_USD)
        yield _line("S3", "PUT and LIST requests", self._puts(shards, runs), S3_PUT_USD)
        yield _line("S3", "GET requests", self._gets(shards, runs), S3_GET_USD)
        yield _line("S3", "GB-months", self._gb_months(), S3_GB_MONTH_USD)
        # A catalog item of up to 4 KB costs half a unit, and so does the board of cooldowns.
        environments = 1 + min(shards, self.stack.map_concurrency)
        reads = environments * self.stack.regions / 2 + runs / 2
        yield _line("DynamoDB", "read units", reads, READ_UNIT_USD)

    def seconds(self) -> float:
        """Plan, shards side by side, collect."""
        lanes = self._over_shards(self._shard_seconds) / self.stack.map_concurrency
        longest = max(self._shard_seconds(size) for size in self.sizes)
        return (
            self._step_seconds(PLAN_CPU_SECONDS)
            + max(lanes, longest)
            + self._step_seconds(COLLECT_CPU_SECONDS)
        )

    def _over_shards(self, of: Callable[[int], float]) -> float:
        return sum(of(size) * count for size, count in self.sizes.items())

    def _step_seconds(self, cpu: float) -> float:
        return START_SECONDS + self.records * cpu * MB_PER_CPU / min(STEP_MEMORY_MB, MB_PER_CPU)

    def _run_seconds(self, size: int) -> float:
        """A shard's calls: as many rounds as there must be, unless the CPU cannot keep up."""
        calls = math.ceil(size / self.stack.worker_concurrency) * self.latency
        cpu = size * WORKER_CPU_SECONDS * MB_PER_CPU / min(self.stack.worker_memory_mb, MB_PER_CPU)
        return max(calls, cpu)

    def _invocations(self, size: int) -> int:
        """How many workers, one after the other, a shard takes: none starts a call that it could not end."""
        end = self.stack.worker_timeout_seconds - min(MARGIN_SECONDS, self.stack.worker_timeout_seconds / 5)
        return max(1, math.ceil(self._run_seconds(size) / (end - min(REQUEST_SECONDS, end / 2))))

    def _shard_seconds(self, size: int) -> float:
        return self._run_seconds(size) + START_SECONDS * self._invocations(size)

    def _gb_seconds(self) -> float:
        workers = self._over_shards(self._shard_seconds) * self.stack.worker_memory_mb
        steps = self._step_seconds(PLAN_CPU_SECONDS) + self._step_seconds(COLLECT_CPU_SECONDS)
        return (workers + steps * STEP_MEMORY_MB) / 1024

    def _parts(self, size: int) -> int:
        """Files of a shard's results, at most: one is written when it is full, and when it is time."""
        return min(size, math.ceil(size / PART_RESULTS) + int(self._run_seconds(size) / PART_SECONDS))

    def _puts(self, shards: int, runs: float) -> float:
        """Writes; asking what there is (LIST) costs the same."""
        # The list of runs and the new run; rejected, options, manifest and summary; results and failures; a
        # list by each worker and by collect.
        written = 6 + _writes(self.records * self._result_bytes) + 1
        return written + shards + self._over_shards(self._parts) + runs + shards

    def _looks(self, size: int) -> int:
        """How often a shard's workers look whether the batch is ended early."""
        return self._invocations(size) + int(self._run_seconds(size) / LOOK_SECONDS)

    def _read_again(self, size: int) -> float:
        """Each further worker of a shard reads what the ones before it wrote."""
        return (self._invocations(size) - 1) * self._parts(size) / 2

    def _gets(self, shards: int, runs: float) -> float:
        # Plan: is there an older one, and the input. Step Functions: the manifest. Worker: options and shard;
        # collect: plan, options, an early end, the manifest, and each shard and part.
        read_by_workers = 2 * runs + self._over_shards(self._looks) + self._over_shards(self._read_again)
        return 2 + 1 + read_by_workers + 4 + shards + self._over_shards(self._parts)

    def _gb_months(self) -> float:
        """Shards, parts and results, for as long as they are kept."""
        months = self.stack.batch_expiry_days / 30
        return self.records * (self._record_bytes + 2 * self._result_bytes) / 1e9 * months

    @property
    def _record_bytes(self) -> int:
        return RECORD_BYTES + self.input_tokens * BYTES_PER_TOKEN

    @property
    def _result_bytes(self) -> int:
        return RESULT_BYTES + self.output_tokens * BYTES_PER_TOKEN


def _line(service: str, what: str, count: float, price: float) -> CostLine:
    return CostLine(service, what, count, count * price)


def _writes(size: int) -> int:
    """Requests that write an object of so many bytes: one, or its parts between a beginning and an end."""
    return 1 if size < WRITER_PART_BYTES else 2 + math.ceil(size / WRITER_PART_BYTES)


def _check_positive(least: int = 1, **numbers: int) -> None:
    for name, value in numbers.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ConfigurationError(
                f"{name} must be a whole number of at least {least} (got {value!r})", {name: value}
            )


@cache
def _with_batch_price() -> frozenset[str]:
    """Models that Bedrock's own batch inference answers for half the price."""
    return frozenset(json.loads(_BATCH_PRICES.read_bytes())["models"])


def main(arguments: Sequence[str] | None = None) -> int:
    """Print an estimate; 2 for numbers or names that cannot be."""
    parser = argparse.ArgumentParser(
        prog="python -m llmmanager.bedrock.batch_cost", description="What a batch costs on AWS."
    )
    parser.add_argument("--records", type=int, required=True)
    parser.add_argument("--model", default="Nova Lite", help="(default: %(default)s)")
    parser.add_argument("--input-tokens", type=int, default=500, help="of a record (default: %(default)s)")
    parser.add_argument("--output-tokens", type=int, default=200, help="of a record (default: %(default)s)")
    parser.add_argument("--latency", type=float, default=3.0, help="seconds of a call (default: %(default)s)")
    for name, default in vars(BatchStack()).items():
        parser.add_argument(
            f"--{name.replace('_', '-')}", type=int, default=default, help="(default: %(default)s)"
        )
    given = parser.parse_args(arguments)
    try:
        cost = estimate_batch_cost(
            given.model,
            records=given.records,
            input_tokens=given.input_tokens,
            output_tokens=given.output_tokens,
            latency_seconds=given.latency,
            stack=BatchStack(**{name: getattr(given, name) for name in vars(BatchStack())}),
        )
    except ConfigurationError as error:
        parser.error(str(error))
    for line in cost.lines:
        sys.stdout.write(f"{line.service:<15} {line.count:>15,.0f} {line.what:<22} ${line.usd:,.6f}\n")
    for name, usd in cost.rows():
        sys.stdout.write(f"{name:<54} {'unknown' if usd is None else f'${usd:,.6f}'}\n")
    sys.stdout.write(f"Takes about {cost.seconds:,.0f} s, when no quota holds it up.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
