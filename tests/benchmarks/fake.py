"""FakeBedrock in a process of its own, as the benchmarks use it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Fake:
    """A running FakeBedrock; `window_seconds` is the length of the minute that its quotas count in."""

    address: str
    pid: int
    window_seconds: float = 60.0

    @property
    def environment(self) -> dict[str, str]:
        """What makes any client of Bedrock call it."""
        return {
            "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": self.address,
            "AWS_ENDPOINT_URL_BEDROCK": self.address,
            "AWS_ACCESS_KEY_ID": "benchmark",
            "AWS_SECRET_ACCESS_KEY": "benchmark",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "LLMMANAGER_QUOTA_WINDOW_SECONDS": f"{self.window_seconds:g}",
        }

    def reset(self, *, latency: float = 0.0) -> None:
        """Forget all calls and rules; answer after so many seconds from now on."""
        self._control("POST", "reset")
        self.add_rules(latencies=[{"seconds": latency}])

    def add_rules(self, **rules: Any) -> None:
        """Add rules, as they stand in a config file of FakeBedrock."""
        self._control("POST", "rules", rules)

    def clear_faults(self) -> None:
        """Remove every fault."""
        self._control("DELETE", "faults")

    def calls(self) -> list[dict[str, Any]]:
        """The calls received since the last reset."""
        calls: list[dict[str, Any]] = self._control("GET", "calls")["calls"]
        return calls

    def usage(self) -> list[dict[str, Any]]:
        """What was billed since the last reset, by model, region and access method."""
        usage: list[dict[str, Any]] = self._control("GET", "usage")["usage"]
        return usage

    def cpu_seconds(self) -> float:
        """CPU time that the process has used."""
        with open(f"/proc/{self.pid}/stat") as stat:
            user, system = stat.read().rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def _control(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.address}/_fake/{path}", data, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)


@contextmanager
def fake_bedrock(*, window_seconds: float = 60.0) -> Iterator[Fake]:
    """A FakeBedrock for the block."""
    command = [sys.executable, "-m", "llmmanager.testing", "--port", "0", "--quiet"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        fake = Fake(server.stdout.readline().split()[-1], server.pid, window_seconds)
        fake.add_rules(window_seconds=window_seconds)
        yield fake
    finally:
        server.terminate()
        server.wait()
