"""Creates botocore sessions with the configured credentials and only the required data files."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from llmmanager.bedrock.models.llm_manager_structures import AuthConfig, AuthenticationType

if TYPE_CHECKING:
    from botocore.session import Session

# Credential providers that are not used for an IAM role: they read a user's configuration.
_USER_PROVIDERS = (
    "assume-role",
    "shared-credentials-file",
    "custom-process",
    "config-file",
    "ec2-credentials-file",
    "boto-config",
    "sso",
    "login",
)


_ENDPOINTS = ("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "AWS_ENDPOINT_URL")


def new_session(auth: AuthConfig) -> Session:
    """Return a session with these credentials, for creating clients."""
    # botocore without boto3, which takes longer to import and is not needed for clients.
    from botocore.session import Session

    from llmmanager.bedrock.transport.botocore_data import skip_unused_data
    from llmmanager.bedrock.transport.credentials import guard
    from llmmanager.bedrock.transport.event_parser import ParserFactory

    is_profile = auth.auth_type is AuthenticationType.PROFILE
    session = Session(profile=auth.profile_name if is_profile else None)
    if auth.auth_type is AuthenticationType.CREDENTIALS:
        session.set_credentials(auth.access_key_id, auth.secret_access_key, auth.session_token)
    elif auth.auth_type is AuthenticationType.IAM_ROLE:
        resolver = session.get_component("credential_provider")
        for name in _USER_PROVIDERS:
            resolver.remove(name)
    guard(session, auth)
    if auth.region:
        session.set_config_variable("region", auth.region)
    session.register_component("response_parser_factory", ParserFactory())
    skip_unused_data(session.get_component("data_loader"))
    return session


def account_key(auth: AuthConfig) -> tuple[str, ...]:
    """Return a key that is equal for managers with the same credentials and endpoint.

    Bedrock counts quotas by account. The key takes the place of the account id, which would require a call to
    AWS. Accounts of another endpoint are separate.
    """
    environment = ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_BEARER_TOKEN_BEDROCK", *_ENDPOINTS)
    inherited = [os.environ.get(name, "") for name in environment]
    return (str(auth.auth_type), auth.profile_name or "", auth.access_key_id or "", *inherited)


def user_agent(session: Session) -> str:
    """Return the user agent for clients. By default, botocore would create it twice in every call."""
    app_id = session.get_config_variable("user_agent_appid")
    base: str = session.user_agent()
    return f"{base} app/{app_id}" if app_id else base
