"""Applies to every test: no AWS environment variables, and no connection to another machine."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from llmmanager.bedrock.routing.quota_gates import forget_gates
from llmmanager.testing import Call, FakeBedrock
from llmmanager.testing.fake_bedrock import Responder
from tests.botocore_files import read_once
from tests.loopback import loopback_only
from tests.waiting import PATIENCE_SECONDS, wait_for_next_day_in_last_minute

pytest_plugins = ["llmmanager.testing.pytest_plugin", "tests.clock"]

for _name in [name for name in os.environ if name.startswith("AWS_")]:
    del os.environ[_name]
os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
os.environ["AWS_CONFIG_FILE"] = os.devnull
os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull
os.environ["JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION"] = "18,20"
# The CDK's validation of a template takes 7 s in each process. One test of app.py enables it.
os.environ["CDK_VALIDATION"] = "false"

read_once()
# Collecting the tests creates millions of objects that stay until the end.
gc.disable()

# The duration of an example depends on the load of the machine.
# The examples are the same in each run. `--hypothesis-profile=default` searches with random ones.
settings.register_profile(
    "stable", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
# For other Pythons than that of .venv.
settings.register_profile("few", settings.get_profile("stable"), max_examples=25)
settings.load_profile("stable")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Distribute files so that one process has all tests of the shared stack."""
    if config.getoption("dist") != "loadfile":
        return None
    from tests.scheduling import SharedStackScheduling

    return SharedStackScheduling(config, log)


def pytest_collection_finish() -> None:
    """Let the garbage collector look at the objects of the tests only, from now on."""
    gc.freeze()
    gc.enable()


@pytest.fixture(autouse=True)
def only_loopback() -> Iterator[None]:
    """Reject connections to other machines."""
    with loopback_only():
        yield


@pytest.fixture(autouse=True)
def within_one_day() -> None:
    """Let no day in UTC end during the test, because usage and budgets are counted by day."""
    wait_for_next_day_in_last_minute()


@pytest.fixture(autouse=True)
def forget_learned_quotas() -> None:
    """Forget the quotas that other tests learned."""
    forget_gates()


@pytest.fixture
def aws_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set invalid credentials, for clients that connect to loopback only."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")


@pytest.fixture
def answer_with(fake_bedrock: FakeBedrock, monkeypatch: pytest.MonkeyPatch) -> Callable[[Responder], None]:
    """Return a function that sets the responder of FakeBedrock. Each call runs on its own thread."""
    return lambda responder: monkeypatch.setattr(fake_bedrock, "_responder", responder)


@pytest.fixture
def answer_together(answer_with: Callable[[Responder], None]) -> Callable[[int], None]:
    """Return a function that makes FakeBedrock answer only when the given number of calls are waiting."""

    def answer_at(calls: int) -> None:
        barrier = threading.Barrier(calls, timeout=PATIENCE_SECONDS)

        def wait_for_the_others(call: Call) -> None:
            barrier.wait()

        answer_with(wait_for_the_others)

    return answer_at
