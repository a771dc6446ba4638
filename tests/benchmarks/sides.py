"""The sides of a benchmark: each runs by the Python of its own environment, in turn with the others."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from tests.benchmarks.fake import Fake

ROOT = Path(__file__).resolve().parents[2]
WORKERS = Path(__file__).resolve().parent / "workers"
MODEL = {"name": "Nova Lite", "id": "amazon.nova-lite-v1:0"}
REGIONS = ["us-east-1", "us-west-2", "us-east-2"]
MESSAGES = [{"role": "user", "content": [{"text": "What is the capital of France?"}]}]


@dataclass(frozen=True)
class Side:
    """One library as its users have it.

    Attributes:
        title: its name in tables.
        module: its part of `workers`.
        environment: the `.venv-bench-<name>` that it is installed in.
        imports: the statement that loads it.
    """

    title: str
    module: str
    environment: str
    imports: str

    @property
    def python(self) -> Path:
        return ROOT / f".venv-bench-{self.environment}" / "bin" / "python"


LLMMANAGER = Side("LLMManager", "side_llmmanager", "library", "from llmmanager import LLMManager")
BOTO3 = Side("boto3", "side_boto3", "library", "import boto3")
RIVALS = (
    Side("bestehorn-llmmanager", "side_original", "original", "from bestehorn_llmmanager import LLMManager"),
    Side("LiteLLM Router", "side_litellm", "litellm", "from litellm import Router"),
    Side(
        "ChatBedrockConverse", "side_langchain", "langchain", "from langchain_aws import ChatBedrockConverse"
    ),
)


class Bench:
    """Starts sides against one FakeBedrock; a context manager.

    Args:
        endpoints: further `AWS_ENDPOINT_URL_<service>` that sides need.
    """

    def __init__(self, fake: Fake, **endpoints: str) -> None:
        self.fake = fake
        self._endpoints = {f"AWS_ENDPOINT_URL_{service}": url for service, url in endpoints.items()}
        self._home = tempfile.TemporaryDirectory(prefix="llmmanager-bench-")

    def __enter__(self) -> Bench:
        return self

    def __exit__(self, *_: object) -> None:
        self._home.cleanup()

    @property
    def _environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": self._home.name,
            "PYTHONPATH": f"{ROOT}{os.pathsep}{WORKERS}",
            # LiteLLM would fetch its table of prices from the internet.
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            **self.fake.environment,
            **self._endpoints,
        }

    def arguments(self, **changes: Any) -> str:
        """What a side is made of, as JSON."""
        made_of = {"regions": REGIONS, "model": MODEL, "messages": MESSAGES, "endpoint": self.fake.address}
        return json.dumps({**made_of, **changes})

    def fresh_seconds(self, side: Side, code: str) -> float:
        """Seconds that `code` takes in a fresh interpreter, without the interpreter's own start."""
        timed = f"import time; started = time.perf_counter(); {code}; print(time.perf_counter() - started)"
        done = subprocess.run(
            [side.python, "-c", timed],
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{side.title}: {done.stderr[-3000:]}")
        return float(done.stdout.split()[-1])

    def importing(self, side: Side) -> float:
        """Return the seconds that the import a user writes takes in a fresh interpreter."""
        return self.fresh_seconds(side, side.imports)

    def cold_start(self, side: Side) -> float:
        """Seconds from the import to the first answer, with three regions, in a fresh interpreter."""
        made_of = self.arguments()
        return self.fresh_seconds(
            side, f"import {side.module} as m, json; assert m.Side(**json.loads({made_of!r})).converse()"
        )

    @contextmanager
    def running(self, *sides: Side, **changes: Any) -> Iterator[list[Worker]]:
        """Fresh interpreters, one a side, that wait for what to measure."""
        with ExitStack() as stack:
            yield [
                stack.enter_context(Worker(side, self.arguments(**changes), self._environment))
                for side in sides
            ]


class Worker:
    """A side in an interpreter of its own (see workers/serve.py); a context manager."""

    def __init__(self, side: Side, arguments: str, environment: Mapping[str, str]) -> None:
        self._side = side
        self._said = tempfile.TemporaryFile("w+")  # noqa: SIM115 (closed with the worker)
        self._process = subprocess.Popen(
            [side.python, WORKERS / "serve.py", side.module, arguments],
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
        )

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()
        self._said.close()

    def measure(self, measure: str, **arguments: Any) -> dict[str, float]:
        """Ask for one measurement and wait for it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"measure": measure, **arguments}) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            self._said.seek(0)
            raise RuntimeError(f"{self._side.title} failed at {measure}: {self._said.read()[-3000:]}")
        measured: dict[str, float] = json.loads(answer)
        return measured


def in_turn(
    workers: Sequence[Worker], measure: str, *, turns: int, **arguments: Any
) -> list[dict[str, float]]:
    """Let the workers measure turn by turn; for each the median of each figure.

    Each turn begins with another worker, so that none always comes after the same one.
    """
    taken: list[list[dict[str, float]]] = [[] for _ in workers]
    for turn in range(turns):
        for place in range(len(workers)):
            one = (turn + place) % len(workers)
            taken[one].append(workers[one].measure(measure, **arguments))
    return [{key: median(turn[key] for turn in mine) for key in mine[0]} for mine in taken]
