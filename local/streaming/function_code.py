"""A function that is deployed to the emulator: its configuration, and a copy of its code."""

from __future__ import annotations

import io
import ssl
import urllib.request
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from local.deployed_stack import Stack
from local.processes import LocalRunError

_WRAPPER: Final = "AWS_LAMBDA_EXEC_WRAPPER"
_TASK_ROOT: Final = "/var/task/"


@dataclass(frozen=True)
class DeployedFunction:
    """A function with the streaming runtime.

    Attributes:
        code: folder that Lambda would mount as /var/task.
        variables: the function's own environment variables.
        wrapper: the file that starts the runtime.
    """

    name: str
    arn: str
    role_arn: str
    handler: str
    timeout_seconds: int
    memory_mb: int
    variables: Mapping[str, str]
    code: Path

    @property
    def wrapper(self) -> Path:
        return self.code / self.variables[_WRAPPER].removeprefix(_TASK_ROOT)


def download_function(stack: Stack, arn: str, *, folder: Path) -> DeployedFunction:
    """Download the code of a function to a new folder in `folder`.

    Raises:
        LocalRunError: the function does not use the streaming runtime.
    """
    deployed = stack.client("lambda").get_function(FunctionName=arn)
    configuration = deployed["Configuration"]
    variables = configuration.get("Environment", {}).get("Variables", {})
    if not variables.get(_WRAPPER, "").startswith(_TASK_ROOT):
        raise LocalRunError(
            f"the function {configuration['FunctionName']} has streamed methods, but its variable {_WRAPPER} "
            f"does not name a file of its code, such as {_TASK_ROOT}lambdas/streaming_wrapper"
        )
    code = folder / str(configuration["FunctionName"])
    _unpack(_download(stack, deployed["Code"]["Location"]), code)
    return DeployedFunction(
        name=configuration["FunctionName"],
        arn=configuration["FunctionArn"],
        role_arn=configuration["Role"],
        handler=configuration["Handler"],
        timeout_seconds=configuration["Timeout"],
        memory_mb=configuration["MemorySize"],
        variables=variables,
        code=code,
    )


def role_credentials(stack: Stack, function: DeployedFunction) -> dict[str, str]:
    """Return variables with credentials of the function's role, which expire after an hour."""
    credentials = stack.client("sts").assume_role(RoleArn=function.role_arn, RoleSessionName="streaming")
    names = {"AccessKeyId": "ACCESS_KEY_ID", "SecretAccessKey": "SECRET_ACCESS_KEY"}
    names["SessionToken"] = "SESSION_TOKEN"
    return {f"AWS_{name}": credentials["Credentials"][key] for key, name in names.items()}


def _download(stack: Stack, location: str) -> bytes:
    # The emulator always reports http and the host name localhost.
    url = urlsplit(location)
    trust = ssl.create_default_context(cafile=stack.certificate)
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trust)
    )
    with opener.open(f"{stack.endpoint_url}{url.path}?{url.query}") as response:
        data: bytes = response.read()
        return data


def _unpack(data: bytes, folder: Path) -> None:
    """Unpack a zip file with the modes of its files, which `zipfile` ignores."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for entry in archive.infolist():
            path = Path(archive.extract(entry, folder))
            if mode := entry.external_attr >> 16 & 0o777:
                path.chmod(mode)
