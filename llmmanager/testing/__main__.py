"""`python -m llmmanager.testing`: runs FakeBedrock as a separate process."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .call_log import Call
from .fake_bedrock import FakeBedrock
from .settings import apply_rules, options_of


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `fake-bedrock` with these arguments, and return its exit status."""
    options = _parser().parse_args(arguments)
    return serve(port=options.port, config=options.config, quiet=options.quiet)


def serve(*, port: int | None, config: Path | None, quiet: bool) -> int:
    """Serve until SIGINT or SIGTERM. Return 0, or 2 if the settings are invalid.

    Args:
        port: the port to listen on; None for that of the settings, or else a free one.
        config: a JSON file of settings and rules.
        quiet: whether the calls are not printed.
    """
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        settings = _read(config)
        chosen = options_of(settings)
        if port is not None:
            chosen["port"] = port
        bedrock = FakeBedrock(**chosen, on_call=None if quiet else _print_call)
        apply_rules(bedrock, settings)
        bedrock.start()
    except (OSError, ValueError) as error:
        print(f"fake-bedrock: {error}", file=sys.stderr)
        return 2
    try:
        print(f"FakeBedrock listening on {bedrock.endpoint_url}")
        print("# To use it from another shell, paste these lines:")
        print(bedrock.shell_exports, flush=True)
        stop.wait()
    finally:
        bedrock.stop()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="fake-bedrock", description="Imitates Amazon Bedrock on loopback.")
    parser.add_argument("--port", type=int, help="the port to listen on; 0 (the default) chooses a free port")
    parser.add_argument("--config", type=Path, help="a JSON file of settings and rules")
    parser.add_argument("--quiet", action="store_true", help="do not print the calls")
    return parser


def _read(path: Path | None) -> dict[str, Any]:
    try:
        settings = json.loads(path.read_text("utf-8")) if path is not None else {}
    except ValueError as error:
        raise ValueError(f"{path} must contain JSON: {error}") from None
    if not isinstance(settings, dict):
        raise ValueError(f"{path} must contain a JSON object")
    return settings


def _print_call(call: Call) -> None:
    what = f"{call.operation or 'unknown'} {call.region} {call.invoked_id or '-'}"
    seconds = (call.ended_at or call.started_at) - call.started_at
    print(f"{what} {call.status or '-'} {call.error_code or 'ok'} {seconds:.3f} s", flush=True)


if __name__ == "__main__":
    sys.exit(main())
