"""A deployed stack: its outputs, found by its name, and its HTTP API with signed requests."""

from __future__ import annotations

import os
import re
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from llmmanager.cli.common_options import add_json, add_profile, missing_region, region_name
from llmmanager.cli.exit_status import CommandError, ExitStatus

if TYPE_CHECKING:
    from botocore.session import Session

DEFAULT_STACK: Final = "LlmManager"
_API: Final = re.compile(r"https://(?P<id>[a-z0-9]+)\.execute-api\.[^/]+/(?P<stage>[^/]+)/?")
_STATUSES: Final = {
    400: ExitStatus.USAGE,
    401: ExitStatus.CONFIGURATION,
    403: ExitStatus.CONFIGURATION,
    404: ExitStatus.USAGE,
    422: ExitStatus.USAGE,
}


def add_stack_options(parser: ArgumentParser) -> None:
    """Add the stack, its region and profile, and `--json`."""
    parser.add_argument(
        "--stack",
        default=os.environ.get("LLMMANAGER_STACK") or DEFAULT_STACK,
        metavar="NAME",
        help=f"the name of the deployed stack. Default: LLMMANAGER_STACK, or {DEFAULT_STACK}",
    )
    parser.add_argument(
        "--region",
        type=region_name,
        help="the region of the stack. Default: AWS_REGION, or the region of the profile",
    )
    add_profile(parser)
    add_json(parser)


def api_address(output: str, endpoint_url: str) -> str:
    """Return the base URL of an API for paths such as /v1/converse.

    Args:
        output: the URL in the outputs of the stack.
        endpoint_url: URL of the emulator that runs the stack; empty for AWS.

    Raises:
        ValueError: `endpoint_url` is given and the URL of the API is not an execute-api URL.
    """
    if not endpoint_url:
        return output.rstrip("/")
    match = _API.fullmatch(output)
    if match is None:
        raise ValueError(f"the URL of an API is not an execute-api URL: {output}")
    # execute-api URLs lead to AWS. The emulator serves the same API below its own URL.
    return f"{endpoint_url}/restapis/{match['id']}/{match['stage']}/_user_request_"


class DeployedStack:
    """A deployed stack. The first call reads its outputs from CloudFormation."""

    def __init__(self, options: Namespace) -> None:
        self._name = options.stack
        self._given_region = options.region or os.environ.get("AWS_REGION")
        self._profile = options.profile

    @property
    def bucket(self) -> str:
        """The name of the bucket for batches."""
        return self._outputs["BatchBucketName"]

    def client(self, service: str) -> Any:
        """Return a client of an AWS service in the region of the stack."""
        return self._session.create_client(service, region_name=self._region)

    def call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Send a signed request to the HTTP API, and return its answer.

        Raises:
            CommandError: the API returned a problem, or the stack does not exist.
        """
        import json

        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.exceptions import NoCredentialsError
        from botocore.httpsession import URLLib3Session

        credentials = self._session.get_credentials()
        if credentials is None:
            raise NoCredentialsError()
        given = {name: value for name, value in (query or {}).items() if value is not None}
        url = self._api_url + path + (f"?{urlencode(given)}" if given else "")
        data = None if body is None else json.dumps(body).encode()
        request = AWSRequest(method, url, {"Content-Type": "application/json", **(headers or {})}, data)
        SigV4Auth(credentials, "execute-api", self._region).add_auth(request)
        verify = self._session.get_config_variable("ca_bundle") or True
        response = URLLib3Session(verify=verify, timeout=60).send(request.prepare())
        return _answer(response.status_code, response.content)

    def pages(self, path: str, member: str, query: Mapping[str, Any] | None = None) -> Iterator[Any]:
        """Yield the items of a list of the API, page by page.

        Args:
            member: the name of the list in each page.
        """
        token = None
        while True:
            page = self.call("GET", path, query={"limit": 100, **(query or {}), "nextToken": token})
            yield from page[member]
            token = page.get("nextToken")
            if not token:
                return

    @cached_property
    def _session(self) -> Session:
        from botocore.session import Session

        return Session(profile=self._profile)

    @cached_property
    def _region(self) -> str:
        region: str | None = self._given_region or self._session.get_config_variable("region")
        if not region:
            raise missing_region()
        return region

    @cached_property
    def _outputs(self) -> dict[str, str]:
        from botocore.exceptions import ClientError

        try:
            stacks = self.client("cloudformation").describe_stacks(StackName=self._name)["Stacks"]
        except ClientError as error:
            if "does not exist" not in str(error):
                raise
            raise CommandError(
                f"the stack {self._name} does not exist in {self._region} of this account",
                "Pass its name with --stack and its region with --region.",
                status=ExitStatus.CONFIGURATION,
            ) from None
        return {item["OutputKey"]: item["OutputValue"] for item in stacks[0].get("Outputs", ())}

    @cached_property
    def _api_url(self) -> str:
        output = self._outputs.get("ApiUrl")
        if output is None:
            raise CommandError(
                f"the stack {self._name} has no output ApiUrl: it is not a stack of LLMManager",
                status=ExitStatus.CONFIGURATION,
            )
        return api_address(output, os.environ.get("AWS_ENDPOINT_URL", ""))


def _answer(status: int, content: bytes) -> Any:
    import json

    try:
        body = json.loads(content) if content else None
    except ValueError:
        body = None
    if status < 400 and body is not None:
        return body
    problem = body if isinstance(body, dict) else {}
    reasons = [str(reason) for reason in problem.get("errors") or ()]
    detail = problem.get("detail") or problem.get("message") or problem.get("title") or "no explanation"
    raise CommandError(
        f"the API returned {status}: {'; '.join(reasons) or detail}",
        status=_STATUSES.get(status, ExitStatus.FAILED),
    )
