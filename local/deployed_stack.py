"""Deploy the CDK app to a running emulator, and return clients of the deployed stack."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from infra.lambda_asset import RUN_HERE
from infra.outputs import stack_variables
from local.api import ApiClient
from local.emulator import Emulator
from local.processes import (
    ACCOUNT,
    DUMMY_CREDENTIALS,
    REGION,
    ROOT,
    GuardedProcess,
    LocalRunError,
    StrPath,
)

CDK = ROOT / "node_modules" / ".bin" / "cdk"
STACK_NAME = "LlmManager"


@dataclass(frozen=True)
class Stack:
    """The deployed stack: addresses of its resources, and clients.

    Attributes:
        variables: stack outputs, by the variable names of `infra.outputs`.
        certificate: CA certificate file of an emulator with HTTPS; None with HTTP.
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
        """Client of the HTTP API."""
        return ApiClient(self.api_url, certificate=self.certificate)

    def client(self, service: str) -> Any:
        """Return a boto3 client of the emulator."""
        session = boto3.Session(
            aws_access_key_id=DUMMY_CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=DUMMY_CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
            region_name=REGION,
        )
        # With an empty dict, boto3 ignores the proxy variables of the environment, which do not fit loopback.
        return session.client(
            service,
            endpoint_url=self.endpoint_url,
            verify=str(self.certificate) if self.certificate else None,
            config=Config(proxies={}),
        )


def synthesise(emulator: Emulator, *, folder: Path, context: Mapping[str, str]) -> GuardedProcess:
    """Start to synthesise the template and the assets to `folder`/cdk.out; `finish` waits for the end.

    Args:
        context: overrides settings of cdk.json.
    """
    settings = {"stack_name": STACK_NAME, **context}
    options = [option for key, value in settings.items() for option in ("--context", f"{key}={value}")]
    return _cdk(
        "synth", "--quiet", "--output", folder / "cdk.out", *options, emulator=emulator, folder=folder
    )


def bootstrap(emulator: Emulator, *, folder: Path) -> None:
    """Create the resources that the CDK needs in an account, such as its asset bucket."""
    # Run outside the checkout: if the command line finds an app, it synthesises it again.
    finish(_cdk("bootstrap", f"aws://{ACCOUNT}/{REGION}", emulator=emulator, folder=folder, directory=folder))


def deploy(emulator: Emulator, *, folder: Path, stack_name: str = STACK_NAME) -> Stack:
    """Deploy the stack that was synthesised to `folder`/cdk.out."""
    outputs = folder / "outputs.json"
    paths = ("--app", folder / "cdk.out", "--outputs-file", outputs)
    options = ("--require-approval", "never", "--method", "direct", "--progress", "events")
    finish(_cdk("deploy", stack_name, *paths, *options, emulator=emulator, folder=folder))
    return _stack(emulator, json.loads(outputs.read_text())[stack_name])


def finish(process: GuardedProcess) -> None:
    """Wait for the end of a CDK command.

    Raises:
        LocalRunError: the command failed. The message has the end of its output.
    """
    with process:
        if code := process.wait(seconds=300):
            raise LocalRunError(f"exit code {code}: {process.command_and_log()}")


def _cdk(
    command: str, *arguments: StrPath, emulator: Emulator, folder: Path, directory: Path = ROOT
) -> GuardedProcess:
    variables = {
        "CI": "true",
        "NO_COLOR": "1",
        "CDK_DISABLE_CLI_TELEMETRY": "true",
        "CDK_DISABLE_VERSION_CHECK": "1",
        # Validation takes 7 s, and the tests check the same template.
        "CDK_VALIDATION": "false",
        RUN_HERE: "true",
    }
    return GuardedProcess(
        [CDK, command, *arguments, "--no-notices"],
        log=folder / f"{command}.log",
        environment={**emulator.environment, **variables},
        directory=directory,
    )


def _stack(emulator: Emulator, outputs: dict[str, str]) -> Stack:
    try:
        variables = stack_variables(outputs, endpoint_url=emulator.endpoint_url)
    except ValueError as error:
        raise LocalRunError(str(error)) from error
    return Stack(emulator.endpoint_url, variables, emulator.certificate)
