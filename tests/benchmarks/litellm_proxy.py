"""LiteLLM's proxy in processes of its own, for the models and regions of the streaming API."""

from __future__ import annotations

import json
import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.emulator import choose_port
from tests.benchmarks.fake import Fake
from tests.benchmarks.sides import ROOT

COMMAND = ROOT / ".venv-bench-litellm-proxy" / "bin" / "litellm"
KEY = "sk-benchmark"
GROUP = "nova-lite"
_START_SECONDS = 300.0


@dataclass(frozen=True)
class Proxy:
    """A running proxy.

    Attributes:
        url: base URL for clients of OpenAI.
        pid: the process whose descendants are the proxy.
    """

    url: str
    pid: int


@contextmanager
def litellm_proxy(fake: Fake, targets: Sequence[tuple[str, str]], *, folder: Path) -> Iterator[Proxy]:
    """Run the proxy for the block, with one worker, its default.

    Args:
        targets: regions and ids of the model, the preferred one first.
        folder: for the configuration, the log and the proxy's home.
    """
    folder.mkdir()
    settings = folder / "config.yaml"
    # YAML includes JSON.
    settings.write_text(json.dumps(configuration(fake.address, targets)))
    port = choose_port(None)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [COMMAND, "--config", settings, "--host", "127.0.0.1", "--port", str(port)],
            env={
                **fake.environment,
                "PATH": os.environ["PATH"],
                "HOME": str(folder),
                # The settings for production, and no table of prices from the internet.
                "LITELLM_MODE": "PRODUCTION",
                "LITELLM_LOG": "ERROR",
                "LITELLM_LOCAL_MODEL_COST_MAP": "True",
                "NO_PROXY": "127.0.0.1",
            },
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        _wait_until_ready(process, f"http://127.0.0.1:{port}/health/liveliness", folder / "log")
        yield Proxy(f"http://127.0.0.1:{port}/v1", process.pid)
    finally:
        _end(process)


def configuration(endpoint: str, targets: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Return the configuration: the first target, and the others as fallbacks in this order."""
    names = [GROUP, *(f"{GROUP}-{region}" for region, _ in targets[1:])]
    return {
        "model_list": [
            _deployment(name, endpoint, *target) for name, target in zip(names, targets, strict=True)
        ],
        "router_settings": {"fallbacks": [{GROUP: names[1:]}], "num_retries": 2},
        "litellm_settings": {"telemetry": False},
        "general_settings": {"master_key": KEY},
    }


def _deployment(name: str, endpoint: str, region: str, model: str) -> Mapping[str, Any]:
    return {
        "model_name": name,
        "litellm_params": {
            "model": f"bedrock/converse/{model}",
            "aws_region_name": region,
            "aws_bedrock_runtime_endpoint": endpoint,
        },
    }


def _wait_until_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    give_up = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < give_up:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (OSError, urllib.error.URLError):
            time.sleep(0.2)
    raise RuntimeError(f"the proxy does not start: {log.read_text(errors='replace')[-3000:]}")


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the proxy and its workers, which are in a session of their own."""
    for number in (15, 9):
        try:
            os.killpg(process.pid, number)
            process.wait(10)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue
