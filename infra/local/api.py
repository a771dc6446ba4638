"""A client of the deployed HTTP API: SigV4-signed JSON requests, as any AWS SDK would sign them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from infra.local.processes import DUMMY_CREDENTIALS, REGION, LocalRunError

ROOT_USER = Credentials(DUMMY_CREDENTIALS["AWS_ACCESS_KEY_ID"], DUMMY_CREDENTIALS["AWS_SECRET_ACCESS_KEY"])


@dataclass(frozen=True)
class Answer:
    """What the API answered; `body` is the parsed JSON."""

    status: int
    headers: dict[str, str]
    body: Any

    def expect(self, status: int) -> Any:
        """The body.

        Raises:
            LocalRunError: another status came back.
        """
        if self.status != status:
            raise LocalRunError(
                f"the API answered {self.status}, not {status}: {json.dumps(self.body)[:2000]}"
            )
        return self.body


class ApiClient:
    """Calls one deployed API. Connections are kept; safe to use from several threads.

    `certificate` is a file that tells what to trust an HTTPS address by; None for the usual authorities.
    """

    def __init__(
        self, base_url: str, *, certificate: Path | None = None, credentials: Credentials = ROOT_USER
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self._credentials = credentials
        self._http = urllib3.PoolManager(
            timeout=urllib3.Timeout(connect=5, read=120),
            retries=False,
            maxsize=16,
            ca_certs=str(certificate) if certificate else None,
        )

    def get(self, path: str, *, signed: bool = True) -> Answer:
        return self.call("GET", path, signed=signed)

    def post(
        self, path: str, body: Any, *, headers: Mapping[str, str] | None = None, signed: bool = True
    ) -> Answer:
        """POST `body`: text and bytes as they are, anything else as JSON."""
        data = body if isinstance(body, str | bytes) else json.dumps(body)
        return self.call("POST", path, data, headers=headers, signed=signed)

    def call(
        self,
        method: str,
        path: str,
        data: str | bytes | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        signed: bool = True,
    ) -> Answer:
        """Send one request. `path` begins with a slash, as in "/v1/models"; `headers` go over our own."""
        payload = data.encode() if isinstance(data, str) else data
        sent = {"Content-Type": "application/json", **(headers or {})}
        request = AWSRequest(method, self.base_url + path, headers=sent, data=payload)
        if signed:
            SigV4Auth(self._credentials, "execute-api", REGION).add_auth(request)
        answer = self._http.request(method, request.url, body=payload, headers=dict(request.headers.items()))
        return Answer(
            answer.status,
            {name.lower(): value for name, value in answer.headers.items()},
            _parse(answer.data),
        )


def _parse(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        return data.decode(errors="replace")
