"""Start FakeBedrock and the emulator, and deploy the stack to them, for the duration of a block."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from llmmanager.bedrock.routing.quota_gates import WINDOW_VARIABLE
from llmmanager.testing import FakeBedrock
from local.deployed_stack import Stack, bootstrap, deploy, finish, synthesise
from local.emulator import Emulator, choose_port, running_emulator
from local.processes import ROOT, exit_on_signals
from local.steps import Steps
from local.streaming.running import running_streamed_apis

LOCAL = ROOT / ".local"
_STREAMING_STAGE = "v1"


@dataclass(frozen=True)
class LocalRun:
    """The deployed stack, its emulator and the FakeBedrock that it calls.

    Attributes:
        streaming_url: base URL of the API for chat clients, or None if the stack does not stream it.
        streamed_urls: base URLs of all APIs with streamed methods, by stage.
    """

    stack: Stack
    emulator: Emulator
    bedrock: FakeBedrock
    streaming_url: str | None = None
    streamed_urls: Mapping[str, str] = field(default_factory=dict)


@contextmanager
def run_folder() -> Iterator[Path]:
    """Create a folder for the template, the assets and the logs of one run.

    The folder is removed at the end. After a failure, its logs are kept until the next run.
    """
    LOCAL.mkdir(exist_ok=True)
    for old in LOCAL.glob("run-*"):
        if not _is_running(old.name.split("-")[1]):
            shutil.rmtree(old, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=f"run-{os.getpid()}-", dir=LOCAL))
    try:
        yield folder
    except Exception:
        shutil.rmtree(folder / "cdk.out", ignore_errors=True)
        raise
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    else:
        shutil.rmtree(folder, ignore_errors=True)


def _is_running(process_id: str) -> bool:
    try:
        os.kill(int(process_id), 0)
    except (ProcessLookupError, ValueError):
        return False
    except PermissionError:
        pass
    return True


@contextmanager
def running_stack(
    bedrock: FakeBedrock,
    *,
    port: int | None = None,
    context: Mapping[str, str] | None = None,
    check_permissions: bool = False,
    steps: Steps | None = None,
) -> Iterator[LocalRun]:
    """Deploy the app to an emulator, and stop everything at the end of the block.

    Args:
        bedrock: not started yet. The functions use the length of its quota minute at the start.
        port: port of the emulator, before the port of the streaming API; None for free ports.
        context: overrides settings of cdk.json.
        check_permissions: enforce IAM policies.
        steps: where the steps are printed; None for no output.

    Raises:
        LocalRunError: a part does not start or the deployment fails. The message says which and why.
    """
    steps = steps or Steps()
    with ExitStack() as started:
        started.enter_context(exit_on_signals())
        folder = started.enter_context(run_folder())
        started.enter_context(bedrock)
        settings = {"bedrock_endpoint_url": bedrock.endpoint_url, **(context or {})}
        function_environment = {WINDOW_VARIABLE: bedrock.environment[WINDOW_VARIABLE]}
        with steps.step("AWS emulator started"):
            emulator = started.enter_context(
                running_emulator(
                    port=port,
                    folder=folder,
                    check_permissions=check_permissions,
                    function_environment=function_environment,
                )
            )
        bedrock.set_s3_endpoint(
            emulator.endpoint_url, certificate=str(emulator.certificate) if emulator.certificate else None
        )
        streaming_port = choose_port(port + 1) if port else 0
        synthesis = started.enter_context(synthesise(emulator, folder=folder, context=settings))
        with steps.step("CDK bootstrapped"):
            bootstrap(emulator, folder=folder)
        with steps.step("CDK app synthesised (started during the bootstrap)"):
            finish(synthesis)
        with steps.step("stack deployed"):
            stack = deploy(emulator, folder=folder)
        with steps.step("streaming API started"):
            streamed_urls = started.enter_context(
                running_streamed_apis(
                    stack,
                    port=streaming_port,
                    folder=folder,
                    environment={**emulator.environment, **function_environment},
                )
            )
        streaming_url = streamed_urls.get(_STREAMING_STAGE)
        if streaming_url:
            stack = replace(stack, variables={**stack.variables, "STREAMING_API_URL": streaming_url})
        yield LocalRun(stack, emulator, bedrock, streaming_url, streamed_urls)
