"""ClientPool: configuration and errors of clients."""

from __future__ import annotations

import pathlib
from functools import partial

import pytest
from botocore.exceptions import ClientError

from llmmanager.bedrock.exceptions.llm_manager_exceptions import AuthenticationError, ConfigurationError
from llmmanager.bedrock.models.llm_manager_structures import AuthConfig, AuthenticationType
from llmmanager.bedrock.transport.clients import ClientPool
from llmmanager.testing import FakeBedrock, Fault

pytestmark = pytest.mark.usefixtures("aws_credentials")


@pytest.mark.parametrize(
    ("timeout", "remaining", "connect"),
    [
        (60, float("inf"), 3.0),
        (60, 3.0, 3.0),
        (60, 2.9, 0.5),
        (60, -1.0, 0.5),
        (1, 60.0, 1.0),
        (0.2, 1.0, 0.2),
    ],
)
def test_the_connect_timeout_is_short_and_shorter_close_to_the_deadline(
    timeout: float, remaining: float, connect: float
) -> None:
    pool = ClientPool(timeout=timeout)
    config = pool.client("bedrock-runtime", "us-east-1", remaining=remaining).meta.config
    assert (config.connect_timeout, config.read_timeout) == (connect, timeout)
    pool.close()


def test_botocore_does_not_retry_and_has_enough_connections() -> None:
    pool = ClientPool(timeout=5, max_connections=200)
    config = pool.client("bedrock-runtime", "us-east-1").meta.config
    assert config.retries["total_max_attempts"] == 1
    assert config.max_pool_connections == 200
    assert "llmmanager" in config.user_agent_extra
    pool.close()


def test_an_error_does_not_count_the_retries_of_botocore(fake_bedrock: FakeBedrock) -> None:
    fake_bedrock.add_fault(Fault(error="ThrottlingException", message="slow down"))
    pool = ClientPool(timeout=5)
    calls = (
        pool.client("bedrock", "us-east-1").list_foundation_models,
        partial(pool.client("bedrock-runtime", "us-east-1").converse, modelId="amazon.nova-lite-v1:0"),
    )
    for call in calls:
        with pytest.raises(ClientError, match=r"operation: slow down$"):
            call()
    pool.close()


def test_a_client_is_reused_until_the_session_is_renewed_or_closed() -> None:
    pool = ClientPool(timeout=5)
    first = pool.client("bedrock-runtime", "us-east-1")
    assert pool.client("bedrock-runtime", "us-east-1") is first
    assert pool.client("bedrock", "us-east-1") is not first
    assert pool.client("bedrock-runtime", "us-west-2") is not first
    pool.renew()
    second = pool.client("bedrock-runtime", "us-east-1")
    assert second is not first
    pool.close()
    assert pool.client("bedrock-runtime", "us-east-1") is not second
    pool.close()


def test_an_endpoint_that_is_not_a_url_is_a_configuration_error(
    aws_credentials: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "bedrock.local")
    with pytest.raises(ConfigurationError, match=r"bedrock\.local"):
        ClientPool(timeout=1).client("bedrock-runtime", "us-east-1")


def test_an_invalid_region_is_not_a_credential_error() -> None:
    with pytest.raises(ConfigurationError, match="not a region") as raised:
        ClientPool(timeout=5).client("bedrock-runtime", "not a region")
    assert raised.value.invalid_config == {"region": "not a region"}


def test_a_role_does_not_use_credentials_of_a_boto_file(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "boto"
    file.write_text("[Credentials]\naws_access_key_id = somebodys\naws_secret_access_key = key\n")
    monkeypatch.setenv("BOTO_CONFIG", str(file))
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert ClientPool(timeout=5).has_credentials()
    assert not ClientPool(AuthConfig(AuthenticationType.IAM_ROLE), timeout=5).has_credentials()


def test_a_missing_profile_is_not_an_error_of_a_region() -> None:
    auth = AuthConfig(AuthenticationType.PROFILE, profile_name="unknown")
    with pytest.raises(AuthenticationError, match="unknown") as raised:
        ClientPool(auth, timeout=5).has_credentials()
    assert raised.value.region is None
