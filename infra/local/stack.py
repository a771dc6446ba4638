"""Deploy the CDK app, as it is, to a running emulator, and find what it made there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
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
    clean_environment,
)

CDK = ROOT / "node_modules" / ".bin" / "cdk"
STACK_NAME = "LlmManager"
_API_ID = re.compile(r"^https://(?P<id>[a-z0-9]+)\.execute-api\.[^/]+/(?P<stage>[^/]+)")


@dataclass(frozen=True)
class Stack:
    """The deployed stack: where its parts are, and clients that reach them."""

    endpoint_url: str
    api_url: str
    bucket: str
    table: str
    batch_machine_arn: str
    refresh_machine_arn: str

    @cached_property
    def api(self) -> ApiClient:
        return ApiClient(self.api_url)

    def client(self, service: str) -> Any:
        """A boto3 client of the emulator."""
        session = boto3.Session(
            aws_access_key_id=DUMMY_CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=DUMMY_CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
            region_name=REGION,
        )
        # An empty dict of proxies keeps loopback calls off a proxy that the user's environment names.
        return session.client(service, endpoint_url=self.endpoint_url, config=Config(proxies={}))


@contextmanager
def synthesising(*, bedrock_url: str, folder: Path) -> Iterator[GuardedProcess]:
    """Write the template and the assets to `folder`/cdk.out while the caller does something else."""
    arguments: list[StrPath] = [
        "synth",
        "--quiet",
        "--output",
        folder / "cdk.out",
        "--context",
        f"bedrock_endpoint_url={bedrock_url}",
    ]
    with _cdk(
        *arguments,
        log=folder / "synth.log",
        environment=clean_environment(CDK_DEFAULT_REGION=REGION, CDK_DEFAULT_ACCOUNT=ACCOUNT),
    ) as process:
        yield process


def bootstrap(emulator: Emulator, *, folder: Path) -> None:
    """Make the CDK's own bucket and roles, as in a new AWS account."""
    finish(
        _cdk(
            "bootstrap",
            f"aws://{ACCOUNT}/{REGION}",
            log=folder / "bootstrap.log",
            environment=_environment(emulator),
        )
    )


def deploy(emulator: Emulator, *, folder: Path) -> Stack:
    """Deploy what was synthesised to `folder`/cdk.out."""
    outputs = folder / "outputs.json"
    arguments: list[StrPath] = ["deploy", STACK_NAME, "--app", folder / "cdk.out", "--outputs-file", outputs]
    arguments += ["--require-approval", "never", "--method", "direct", "--progress", "events"]
    finish(_cdk(*arguments, log=folder / "deploy.log", environment=_environment(emulator)))
    return _stack(emulator, json.loads(outputs.read_text())[STACK_NAME])


def _environment(emulator: Emulator) -> dict[str, str]:
    return clean_environment(AWS_ENDPOINT_URL=emulator.endpoint_url)


def _cdk(*arguments: StrPath, log: Path, environment: dict[str, str]) -> GuardedProcess:
    quiet = {
        "CI": "true",
        "NO_COLOR": "1",
        "CDK_DISABLE_CLI_TELEMETRY": "true",
        "CDK_DISABLE_VERSION_CHECK": "1",
    }
    return GuardedProcess([CDK, *arguments, "--no-notices"], log=log, environment={**environment, **quiet})


def finish(process: GuardedProcess) -> None:
    """Wait for a CDK command. Raises LocalRunError, with what it said, when it fails."""
    with process:
        if code := process.wait(seconds=300):
            raise LocalRunError(f"exit code {code}: {process.command_and_log()}")


def _stack(emulator: Emulator, outputs: dict[str, str]) -> Stack:
    match = _API_ID.match(outputs["ApiUrl"])
    if not match:
        raise LocalRunError(f"the stack's ApiUrl is no execute-api address: {outputs['ApiUrl']}")
    return Stack(
        endpoint_url=emulator.endpoint_url,
        api_url=f"{emulator.endpoint_url}/restapis/{match['id']}/{match['stage']}/_user_request_",
        bucket=outputs["BatchBucketName"],
        table=outputs["TableName"],
        batch_machine_arn=outputs["BatchStateMachineArn"],
        refresh_machine_arn=outputs["RefreshStateMachineArn"],
    )
