"""A client of the deployed HTTP API that sends JSON requests signed with SigV4."""

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

from local.processes import DUMMY_CREDENTIALS, REGION, LocalRunError

ROOT_USER = Credentials(DUMMY_CREDENTIALS["AWS_ACCESS_KEY_ID"], DUMMY_CREDENTIALS["AWS_SECRET_ACCESS_KEY"])


@dataclass(frozen=True)
class ApiResponse:
    """Response of the API.

    Attributes:
        headers: by lower-case name.
        body: the parsed JSON, or the text if the body is not JSON.
    """

    status: int
    headers: dict[str, str]
    body: Any

    def expect(self, status: int) -> Any:
        """Return the body.

        Raises:
            LocalRunError: the status is not `status`.
        """
        if self.status != status:
            raise LocalRunError(
                f"the API returned status {self.status} instead of {status}: {json.dumps(self.body)[:2000]}"
            )
        return self.body


class ApiClient:
    """Client of one deployed API. Reuses connections and is thread-safe.

    Args:
        certificate: CA certificate file for an HTTPS URL; None for the default certificate authorities.
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

    def get(self, path: str, *, signed: bool = True) -> ApiResponse:
        """GET `path`."""
        return self.call("GET", path, signed=signed)

    def post(
        self, path: str, body: Any, *, headers: Mapping[str, str] | None = None, signed: bool = True
    ) -> ApiResponse:
        """POST `body`: strings and bytes unchanged, other values as JSON."""
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
    ) -> ApiResponse:
        """Send one request.

        Args:
            path: starts with a slash, such as "/v1/models".
            headers: in addition to Content-Type, or instead of it.
        """
        payload = data.encode() if isinstance(data, str) else data
        all_headers = {"Content-Type": "application/json", **(headers or {})}
        request = AWSRequest(method, self.base_url + path, headers=all_headers, data=payload)
        if signed:
            SigV4Auth(self._credentials, "execute-api", REGION).add_auth(request)
        response = self._http.request(
            method, request.url, body=payload, headers=dict(request.headers.items())
        )
        return ApiResponse(
            response.status,
            {name.lower(): value for name, value in response.headers.items()},
            _parse(response.data),
        )


def _parse(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        return data.decode(errors="replace")
