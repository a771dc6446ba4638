"""Where credentials come from, seen by which key signs the call."""

from __future__ import annotations

import traceback
from pathlib import Path

import pytest

from llmmanager import (
    AuthConfig,
    AuthenticationError,
    AuthenticationType,
    BedrockConverseRequest,
    ConfigurationError,
    LLMManagerError,
)
from llmmanager.testing import FakeBedrock

FILE = """
[default]
aws_access_key_id = key-of-default
aws_secret_access_key = secret

[team]
aws_access_key_id = key-of-team
aws_secret_access_key = secret
"""
EVERY_KEY = ("key-of-default", "key-of-team", "key-given", "key-of-environment")


@pytest.fixture
def credentials_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fake_bedrock: FakeBedrock) -> None:
    path = tmp_path / "credentials"
    path.write_text(FILE)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(path))
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")


@pytest.fixture
def signer(fake_bedrock: FakeBedrock, make_manager, ask):
    """Finds out which of the known keys an AuthConfig signs with: the one whose rejection stops the call."""

    def find(auth: AuthConfig | None) -> str | None:
        for key in EVERY_KEY:
            fake_bedrock.reset()
            fake_bedrock.reject_credentials(key, error="InvalidClientTokenId")
            try:
                make_manager(auth_config=auth).converse(ask)
            except AuthenticationError:
                return key
        return None

    return find


def test_a_profile_signs_with_its_own_key(credentials_file: None, signer) -> None:
    assert signer(AuthConfig(AuthenticationType.PROFILE, profile_name="team")) == "key-of-team"


def test_given_credentials_win_over_everything_else(
    credentials_file: None, signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key-of-environment")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    auth = AuthConfig(
        AuthenticationType.CREDENTIALS,
        access_key_id="key-given",
        secret_access_key="secret",
        session_token="token",
    )
    assert signer(auth) == "key-given"


@pytest.mark.parametrize("auth", [None, AuthConfig(), AuthConfig(AuthenticationType.AUTO)])
def test_auto_takes_what_boto3_would(
    credentials_file: None, signer, monkeypatch: pytest.MonkeyPatch, auth: AuthConfig | None
) -> None:
    assert signer(auth) == "key-of-default"
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key-of-environment")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    assert signer(auth) == "key-of-environment"


def test_a_role_never_signs_with_somebodys_file(
    credentials_file: None, make_manager, ask, fake_bedrock: FakeBedrock
) -> None:
    auth = AuthConfig(AuthenticationType.IAM_ROLE, region="us-east-1")
    with pytest.raises(AuthenticationError):
        make_manager(auth_config=auth).converse(ask)
    assert fake_bedrock.calls == ()


def test_a_role_signs_with_what_its_environment_hands_it(
    credentials_file: None, signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key-of-environment")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    assert signer(AuthConfig(AuthenticationType.IAM_ROLE, region="us-east-1")) == "key-of-environment"


def test_a_role_is_not_assumed_by_way_of_somebodys_profile(
    credentials_file: None, make_manager, ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "config"
    config.write_text("[default]\nrole_arn = arn:aws:iam::123456789012:role/r\nsource_profile = team\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    with pytest.raises(AuthenticationError) as raised:
        make_manager(auth_config=AuthConfig(AuthenticationType.IAM_ROLE, region="us-east-1")).converse(ask)
    assert raised.value.auth_type == "iam_role"


def test_rejected_credentials_are_reported_as_such_in_a_parallel_run(
    fake_bedrock: FakeBedrock, make_parallel, ask
) -> None:
    fake_bedrock.reject_credentials("testing", error="InvalidClientTokenId")
    result = make_parallel().converse_parallel([BedrockConverseRequest(request_id="a", messages=ask)])
    assert isinstance(result.request_responses["a"].get_last_error(), AuthenticationError)
    assert [attempt.region for attempt in result.request_responses["a"].attempts] == [
        "us-east-1",
        "us-west-2",
    ]


def test_a_bedrock_api_key_counts_as_credentials(
    credentials_file: None, make_manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_SHARED_CREDENTIALS_FILE")
    assert make_manager().validate_configuration()["auth_status"] == "missing"
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "key")
    assert make_manager().validate_configuration()["auth_status"] == "configured"


@pytest.mark.parametrize(
    ("auth", "signed_with"),
    [
        (AuthConfig(AuthenticationType.PROFILE, profile_name="team"), "key-of-team"),
        (
            AuthConfig(AuthenticationType.CREDENTIALS, access_key_id="key-given", secret_access_key="secret"),
            "key-given",
        ),
    ],
)
def test_an_api_key_in_the_environment_does_not_stand_in_for_what_was_named(
    credentials_file: None, signer, monkeypatch: pytest.MonkeyPatch, auth: AuthConfig, signed_with: str
) -> None:
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "key")
    assert signer(auth) == signed_with


def test_a_token_file_that_is_not_there_is_an_authentication_error(
    credentials_file: None, make_manager, ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/r")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    with pytest.raises(AuthenticationError, match="No such file") as raised:
        make_manager(auth_config=AuthConfig(AuthenticationType.IAM_ROLE)).converse(ask)
    assert len(raised.value.response.attempts) == 1


def test_credentials_with_a_line_break_are_rejected_without_being_shown(
    make_manager, ask, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", "hush\n")
    manager = make_manager()
    with pytest.raises(AuthenticationError, match="line break") as raised:
        manager.converse(ask)
    assert len(raised.value.response.attempts) == 1
    with pytest.raises(LLMManagerError, match="line break") as refreshing:
        manager.refresh_model_data()
    output = [*traceback.format_exception(raised.value), *traceback.format_exception(refreshing.value)]
    assert "hush" not in "".join(output) + caplog.text


def test_an_invalid_auth_config_is_rejected_without_being_shown(make_manager) -> None:
    with pytest.raises(ConfigurationError, match="auth_config") as raised:
        make_manager(auth_config={"secret_access_key": "hush"})
    assert "hush" not in f"{raised.value} {raised.value.details}"
