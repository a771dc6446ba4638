"""The skipped data of botocore does not change endpoints and signatures of clients."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import DataNotFoundError, UnknownServiceError
from botocore.loaders import JSONFileLoader
from botocore.session import Session

from llmmanager.bedrock.models.llm_manager_structures import AuthConfig
from llmmanager.bedrock.transport.sessions import new_session

pytestmark = pytest.mark.usefixtures("aws_credentials")

REGIONS = [
    "us-east-1",
    "ap-southeast-7",
    "eu-west-9",  # none yet
    "us-gov-west-1",
    "cn-north-1",
    "us-iso-east-1",
    "us-isof-south-1",
    "eusc-de-east-1",
]
CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "bedrock-runtime": ("converse", {"modelId": "amazon.nova-lite-v1:0", "messages": []}),
    "bedrock": ("list_foundation_models", {}),
    "sts": ("get_caller_identity", {}),
    "sso": ("get_role_credentials", {"roleName": "r", "accountId": "1", "accessToken": "t"}),
    "sso-oidc": ("register_client", {"clientName": "c", "clientType": "public"}),
}


class Stopped(Exception):
    """Keeps a call from leaving."""


def sent_by(session: Session, service: str, region: str) -> tuple[str, list[str]]:
    """Address and credential scope of a call, which is stopped before it leaves."""
    sent = []

    def stop(request: Any, **_: Any) -> None:
        scope = request.headers.get("Authorization", b"").decode().partition("Credential=")[2]
        sent.append((request.url, scope.partition(",")[0].split("/")[2:]))
        raise Stopped

    client = session.create_client(service, region_name=region)
    client.meta.events.register("before-send", stop)
    method, arguments = CALLS[service]
    with pytest.raises(Stopped):
        getattr(client, method)(**arguments)
    client.close()
    return sent[0]


@pytest.mark.parametrize("service", CALLS)
def test_every_client_calls_and_signs_as_with_all_data_of_botocore(service: str) -> None:
    ours, theirs = new_session(AuthConfig()), Session()
    for region in REGIONS:
        assert sent_by(ours, service, region) == sent_by(theirs, service, region)


@pytest.mark.parametrize("variable", ["AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT"])
def test_variants_of_endpoints_are_the_same(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "true")
    ours, theirs = new_session(AuthConfig()), Session()
    for service, region in product(("bedrock-runtime", "bedrock", "sts"), ("us-east-1", "us-gov-west-1")):
        assert sent_by(ours, service, region) == sent_by(theirs, service, region)


def test_the_legacy_global_endpoint_of_sts_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_STS_REGIONAL_ENDPOINTS", "legacy")
    ours, theirs = new_session(AuthConfig()), Session()
    for region in ("us-east-1", "eu-west-1", "ap-east-1", "us-gov-west-1"):
        assert sent_by(ours, "sts", region) == sent_by(theirs, "sts", region)


def test_endpoints_in_a_users_search_path_are_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = {"partitions": [], "version": "my own"}
    (tmp_path / "endpoints.json").write_text(json.dumps(own))
    monkeypatch.setenv("AWS_DATA_PATH", str(tmp_path))
    loader = new_session(AuthConfig()).get_component("data_loader")
    assert loader.load_data("endpoints") == own


def test_the_large_endpoints_file_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []
    real = JSONFileLoader._load_file

    def noting(loader: Any, full_path: str, *rest: Any) -> Any:
        opened.append(Path(full_path).name)
        return real(loader, full_path, *rest)

    monkeypatch.setattr(JSONFileLoader, "_load_file", noting)
    new_session(AuthConfig()).create_client("bedrock-runtime", region_name="us-east-1").close()
    assert not {name for name in opened if name.startswith("endpoints.json")}
    assert [name for name in opened if name.startswith("service-2.json")]


def test_an_unknown_service_is_rejected() -> None:
    with pytest.raises((UnknownServiceError, DataNotFoundError)):
        new_session(AuthConfig()).create_client("bedrok", region_name="us-east-1")
