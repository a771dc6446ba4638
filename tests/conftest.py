"""What holds for every test: no AWS variable is seen and no socket leaves this machine."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, settings

from llmmanager.bedrock.routing.quota_gates import forget_gates
from llmmanager.testing import Call, FakeBedrock
from llmmanager.testing.fake_bedrock import Responder
from tests.loopback import loopback_only
from tests.waiting import PATIENCE_SECONDS

pytest_plugins = ["llmmanager.testing.pytest_plugin", "tests.clock"]

for _name in [name for name in os.environ if name.startswith("AWS_")]:
    del os.environ[_name]
os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
os.environ["AWS_CONFIG_FILE"] = os.devnull
os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull
os.environ["JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION"] = "18,20"
# The CDK's own check of a template takes 7 s of each process: one test of app.py switches it on.
os.environ["CDK_VALIDATION"] = "false"

# How long an example takes depends on what else the machine does.
settings.register_profile("any speed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any speed")


@pytest.fixture(autouse=True)
def only_loopback() -> Iterator[None]:
    """Refuse every connection that would leave this machine."""
    with loopback_only():
        yield


@pytest.fixture(autouse=True)
def forgotten_quotas() -> None:
    """Let no test see what another learnt about quotas."""
    forget_gates()


@pytest.fixture
def aws_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials that no service knows, for clients that only ever meet loopback."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")


@pytest.fixture
def answer_with(fake_bedrock: FakeBedrock, monkeypatch: pytest.MonkeyPatch) -> Callable[[Responder], None]:
    """Let a function of the test answer the calls of FakeBedrock, each on a thread of its own."""
    return lambda responder: monkeypatch.setattr(fake_bedrock, "_responder", responder)


@pytest.fixture
def meet(answer_with: Callable[[Responder], None]) -> Callable[[int], None]:
    """Let FakeBedrock answer only when this many calls are waiting for an answer."""

    def meet_at(calls: int) -> None:
        barrier = threading.Barrier(calls, timeout=PATIENCE_SECONDS)

        def wait_for_the_others(call: Call) -> None:
            barrier.wait()

        answer_with(wait_for_the_others)

    return meet_at
