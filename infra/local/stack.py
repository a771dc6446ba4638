"""Deploy the CDK app, as it is, to a running emulator, and find what it made there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from infra.local.api import ApiClient
from infra.local.emulator import Emulator
from infra.local.processes import (
    ACCOUNT,
    DUMMY_CREDENTIALS,
    REGION,
    ROOT,
    GuardedProcess,
    LocalRunError,
    StrPath,
)
from infra.outputs import stack_variables

CDK = ROOT / "node_modules" / ".bin" / "cdk"
STACK_NAME = "LlmManager"


@dataclass(frozen=True)
class Stack:
    """The deployed stack: where its parts are, and clients that reach them.

    Attributes:
        variables: the stack's outputs by the names in `infra.outputs`.
        certificate: what to trust an emulator with HTTPS by; None for HTTP.
    """

    endpoint_url: str
    variables: Mapping[str, str]
    certificate: Path | None = None

    @property
    def api_url(self) -> str:
        return self.variables["API_URL"]

    @property
    def bucket(self) -> str:
        return self.variables["BATCH_BUCKET"]

    @property
    def table(self) -> str:
        return self.variables["TABLE_NAME"]

    @property
    def batch_machine_arn(self) -> str:
        return self.variables["BATCH_MACHINE_ARN"]

    @property
    def refresh_machine_arn(self) -> str:
        return self.variables["REFRESH_MACHINE_ARN"]

    @cached_property
    def api(self) -> ApiClient:
        return ApiClient(self.api_url, certificate=self.certificate)

    def client(self, service: str) -> Any:
        """A boto3 client of the emulator."""
        session = boto3.Session(
            aws_access_key_id=DUMMY_CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=DUMMY_CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
            region_name=REGION,
        )
        # An empty dict of proxies keeps loopback calls off a proxy that the user's environment names.
        return session.client(
            service,
            endpoint_url=self.endpoint_url,
            verify=str(self.certificate) if self.certificate else None,
            config=Config(proxies={}),
        )


def synthesise(emulator: Emulator, *, folder: Path, context: Mapping[str, str]) -> GuardedProcess:
    """Begin to write the template and the assets to `folder`/cdk.out; `finish` waits for the end.

    `context` goes over what cdk.json says.
    """
    settings = {"stack_name": STACK_NAME, **context}
    options = [option for key, value in settings.items() for option in ("--context", f"{key}={value}")]
    return _cdk("synth", "--quiet", "--output", folder / "cdk.out", *options, at=emulator, folder=folder)


def bootstrap(emulator: Emulator, *, folder: Path) -> None:
    """Make the CDK's own bucket and roles, as in a new AWS account."""
    # Outside the checkout the command line finds no app, which it would synthesise once more.
    finish(_cdk("bootstrap", f"aws://{ACCOUNT}/{REGION}", at=emulator, folder=folder, directory=folder))


def deploy(emulator: Emulator, *, folder: Path, stack_name: str = STACK_NAME) -> Stack:
    """Deploy what was synthesised to `folder`/cdk.out."""
    outputs = folder / "outputs.json"
    where = ("--app", folder / "cdk.out", "--outputs-file", outputs)
    how = ("--require-approval", "never", "--method", "direct", "--progress", "events")
    finish(_cdk("deploy", stack_name, *where, *how, at=emulator, folder=folder))
    return _stack(emulator, json.loads(outputs.read_text())[stack_name])


def finish(process: GuardedProcess) -> None:
    """Wait for a CDK command.

    Raises:
        LocalRunError: it failed; the message holds what it said.
    """
    with process:
        if code := process.wait(seconds=300):
            raise LocalRunError(f"exit code {code}: {process.command_and_log()}")


def _cdk(
    command: str, *arguments: StrPath, at: Emulator, folder: Path, directory: Path = ROOT
) -> GuardedProcess:
    quiet = {
        "CI": "true",
        "NO_COLOR": "1",
        "CDK_DISABLE_CLI_TELEMETRY": "true",
        "CDK_DISABLE_VERSION_CHECK": "1",
        # It takes 7 s, and the tests check the same template.
        "CDK_VALIDATION": "false",
    }
    return GuardedProcess(
        [CDK, command, *arguments, "--no-notices"],
        log=folder / f"{command}.log",
        environment={**at.environment, **quiet},
        directory=directory,
    )


def _stack(emulator: Emulator, outputs: dict[str, str]) -> Stack:
    try:
        variables = stack_variables(outputs, endpoint_url=emulator.endpoint_url)
    except ValueError as error:
        raise LocalRunError(str(error)) from error
    return Stack(emulator.endpoint_url, variables, emulator.certificate)
