"""The command `python -m infra.stack_cost`: print what a batch costs on AWS.

python -m infra.stack_cost --records 1000000 --model "Nova Lite"
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from infra.stack_cost.batch import BatchStack, estimate_batch_cost
from llmmanager.bedrock.exceptions.llm_manager_exceptions import ConfigurationError


def main(arguments: Sequence[str] | None = None) -> int:
    """Print an estimate; exit with status 2 for invalid arguments."""
    parser = argparse.ArgumentParser(
        prog="python -m infra.stack_cost", description="Estimate what a batch costs on AWS."
    )
    parser.add_argument("--records", type=int, required=True)
    parser.add_argument("--model", default="Nova Lite", help="(default: %(default)s)")
    parser.add_argument("--input-tokens", type=int, default=500, help="per record (default: %(default)s)")
    parser.add_argument("--output-tokens", type=int, default=200, help="per record (default: %(default)s)")
    parser.add_argument("--latency", type=float, default=3.0, help="seconds per call (default: %(default)s)")
    quotas = ("tokens_per_minute", "requests_per_minute", "deadline_seconds")
    for name in quotas:
        parser.add_argument(f"--{name.replace('_', '-')}", type=float, help="(default: unknown)")
    for name, default in vars(BatchStack()).items():
        parser.add_argument(
            f"--{name.replace('_', '-')}", type=int, default=default, help="(default: %(default)s)"
        )
    options = parser.parse_args(arguments)
    try:
        cost = estimate_batch_cost(
            options.model,
            records=options.records,
            input_tokens=options.input_tokens,
            output_tokens=options.output_tokens,
            latency_seconds=options.latency,
            stack=BatchStack(**{name: getattr(options, name) for name in vars(BatchStack())}),
            **{name: getattr(options, name) for name in quotas},
        )
    except ConfigurationError as error:
        parser.error(str(error))
    for line in cost.lines:
        sys.stdout.write(f"{line.service:<15} {line.count:>15,.0f} {line.what:<22} ${line.usd:,.6f}\n")
    for name, usd in cost.rows():
        sys.stdout.write(f"{name:<54} {'unknown' if usd is None else f'${usd:,.6f}'}\n")
    sys.stdout.write(f"Duration: about {cost.seconds:,.0f} s if no quota limits the batch.\n")
    if cost.quota_seconds is not None:
        sys.stdout.write(f"Under the quotas: at least {cost.quota_seconds:,.0f} s.\n")
    if cost.warning is not None:
        sys.stdout.write(f"Warning: {cost.warning}.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
