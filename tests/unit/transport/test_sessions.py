"""The session of an AuthConfig, and the user agent of its clients."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmmanager.bedrock.models.llm_manager_structures import AuthConfig, AuthenticationType
from llmmanager.bedrock.transport.event_parser import ParserFactory
from llmmanager.bedrock.transport.sessions import new_session, user_agent

pytestmark = pytest.mark.usefixtures("aws_credentials")


@pytest.mark.parametrize("token", ["token", None])
def test_given_credentials_are_used_completely(token: str | None) -> None:
    auth = AuthConfig(
        AuthenticationType.CREDENTIALS,
        access_key_id="key",
        secret_access_key="secret",
        session_token=token,
    )
    taken = new_session(auth).get_credentials()
    assert (taken.access_key, taken.secret_key, taken.token) == ("key", "secret", token)


@pytest.mark.parametrize(
    ("type_", "key"),
    [
        (AuthenticationType.PROFILE, "key-of-team"),
        (AuthenticationType.AUTO, "testing"),
        (AuthenticationType.IAM_ROLE, "testing"),
    ],
)
def test_a_profile_is_used_only_if_configured(
    type_: AuthenticationType, key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "credentials"
    file.write_text("[team]\naws_access_key_id = key-of-team\naws_secret_access_key = secret\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    session = new_session(AuthConfig(type_, profile_name="team"))
    assert session.get_credentials().access_key == key


def test_a_configured_region_overrides_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    assert new_session(AuthConfig(region="us-west-2")).get_config_variable("region") == "us-west-2"
    assert new_session(AuthConfig()).get_config_variable("region") == "eu-west-1"


def test_the_user_agent_contains_the_application_id(monkeypatch: pytest.MonkeyPatch) -> None:
    session = new_session(AuthConfig())
    plain = user_agent(session)
    assert plain == session.user_agent()
    monkeypatch.setenv("AWS_SDK_UA_APP_ID", "my-app")
    assert user_agent(new_session(AuthConfig())) == f"{plain} app/my-app"


def test_text_chunks_of_a_stream_use_the_fast_path() -> None:
    assert isinstance(new_session(AuthConfig()).get_component("response_parser_factory"), ParserFactory)
