"""The whole local run: FakeBedrock, the emulator and the deployed stack, for as long as a block lasts."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from infra.local.emulator import Emulator, running_emulator
from infra.local.processes import ROOT, ended_by_signals
from infra.local.stack import Stack, bootstrap, deploy, finish, synthesise
from infra.local.steps import Steps
from llmmanager.testing import FakeBedrock

LOCAL = ROOT / ".local"


@dataclass(frozen=True)
class LocalRun:
    """What runs: the deployed stack and the Bedrock it calls."""

    stack: Stack
    emulator: Emulator
    bedrock: FakeBedrock


@contextmanager
def run_folder() -> Iterator[Path]:
    """A folder for one run's template, assets and logs.

    It is removed at the end, and kept after a failure until the next run, for its logs.
    """
    LOCAL.mkdir(exist_ok=True)
    for left in LOCAL.glob("run-*"):
        if not _runs(left.name.split("-")[1]):
            shutil.rmtree(left, ignore_errors=True)
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


def _runs(process_id: str) -> bool:
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
    """Deploy the app to an emulator on `port` (None: a free one); everything ends with the block.

    `bedrock` is started and stopped here; `context` goes over the settings in cdk.json. With
    `check_permissions`, every role may do what its policies allow and nothing else.

    Raises:
        LocalRunError: something does not start or deploy; the message says what and why.
    """
    steps = steps or Steps()
    with ExitStack() as started:
        started.enter_context(ended_by_signals())
        folder = started.enter_context(run_folder())
        started.enter_context(bedrock)
        settings = {"bedrock_endpoint_url": bedrock.endpoint_url, **(context or {})}
        with steps.step("AWS emulator started"):
            emulator = started.enter_context(
                running_emulator(port=port, folder=folder, check_permissions=check_permissions)
            )
        synthesis = started.enter_context(synthesise(emulator, folder=folder, context=settings))
        with steps.step("account bootstrapped for the CDK"):
            bootstrap(emulator, folder=folder)
        with steps.step("CDK app synthesised (began beside the bootstrap)"):
            finish(synthesis)
        with steps.step("stack deployed"):
            stack = deploy(emulator, folder=folder)
        yield LocalRun(stack, emulator, bedrock)
