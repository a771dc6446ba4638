"""Wraps botocore's credentials so that their errors are recognized as credential errors.

botocore's providers raise many types of errors: FileNotFoundError for a missing executable, RuntimeError for
credentials that stay expired, ValueError for an invalid date in a file. They become botocore's
CredentialRetrievalError, except for errors that are recognized as credential errors or are transient.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from llmmanager.bedrock.exceptions.safe_errors import without_credentials
from llmmanager.bedrock.models.llm_manager_structures import AuthConfig, AuthenticationType
from llmmanager.bedrock.routing.classification import classify
from llmmanager.bedrock.routing.decision import CREDENTIALS_KINDS

if TYPE_CHECKING:
    from botocore.session import Session

T = TypeVar("T")

NAMED = frozenset({AuthenticationType.PROFILE, AuthenticationType.CREDENTIALS})
"""Types for which an API key in the environment is not used."""

NO_CREDENTIALS = (
    "no AWS credentials were found: run `aws configure` or `aws login`, set AWS_PROFILE, or set "
    "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or pass auth_config=AuthConfig(...)"
)
_SLOW_SECONDS = 0.2
_MAX_CACHE_SECONDS = 5.0


def has_api_key(auth: AuthConfig) -> bool:
    """Whether a Bedrock API key in the environment signs the calls."""
    return bool(os.environ.get("AWS_BEARER_TOKEN_BEDROCK")) and auth.auth_type not in NAMED


def guard(session: Session, auth: AuthConfig) -> None:
    """Wrap the credential and token providers of the session."""
    methods = {"credential_provider": "get_frozen_credentials", "token_provider": "get_frozen_token"}
    if auth.auth_type is AuthenticationType.CREDENTIALS:
        # Creating the provider chain would read a profile that is not needed.
        del methods["credential_provider"]
    for component, freeze in methods.items():
        provider = _Provider(session.get_component(component), freeze, is_needed=not has_api_key(auth))
        session.register_component(component, provider)


class _Guarded:
    """Wraps an object of botocore.

    A slow failure is cached for its own duration. Otherwise each of many threads would wait for a program
    or a service that does not respond.
    """

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self._failure: Exception | None = None
        self._cached_until = float("-inf")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def _called(self, call: Callable[[], T]) -> T | None:
        started = time.monotonic()
        if started < self._cached_until:
            if self._failure is None:
                return None
            raise _credential_error(self._failure, self._inner)
        try:
            result = call()
        except Exception as error:
            self._cache(error, started)
            raised = _credential_error(error, self._inner)
            if raised is error:
                raise
            raise raised from error
        if result is None:
            self._cache(None, started)
        return result

    def _cache(self, failure: Exception | None, started: float) -> None:
        now = time.monotonic()
        if now - started >= _SLOW_SECONDS:
            self._failure = failure
            self._cached_until = now + min(now - started, _MAX_CACHE_SECONDS)


class _Provider(_Guarded):
    """Wraps a provider chain and its credentials or tokens.

    Args:
        inner: the provider chain.
        freeze: the name of the method that renews the credentials or tokens.
        is_needed: whether calls are signed with these credentials.
    """

    def __init__(self, inner: Any, freeze: str, *, is_needed: bool) -> None:
        super().__init__(inner)
        self._freeze = freeze
        self._is_needed = is_needed

    def load_credentials(self) -> Any:
        """Return the credentials, or None without credentials or if an API key is used."""
        return self._wrapped(self._called(self._inner.load_credentials)) if self._is_needed else None

    def load_token(self, **arguments: Any) -> Any:
        """Return the token of a service, or None.

        botocore also loads a token of IAM Identity Center for other services. It is not loaded here, since
        its profile may be incomplete.
        """
        if "signing_name" not in arguments:
            return None
        return self._wrapped(self._called(lambda: self._inner.load_token(**arguments)))

    def _wrapped(self, found: Any) -> Any:
        return _Renewable(found, self._freeze) if hasattr(found, self._freeze) else found


class _Renewable(_Guarded):
    """Wraps credentials or a token that are renewed when a call is signed."""

    def __init__(self, inner: Any, freeze: str) -> None:
        super().__init__(inner)
        setattr(self, freeze, lambda: self._called(getattr(inner, freeze)))


def _credential_error(error: Exception, source: Any) -> Exception:
    """Return a CredentialRetrievalError, or the error itself if it is recognized or transient."""
    from botocore.exceptions import CredentialRetrievalError

    decision = classify(error)
    if decision is not None and (decision.transient or decision.kind in CREDENTIALS_KINDS):
        return without_credentials(error)
    provider = getattr(source, "method", None) or "the configured source"
    text = str(error) or "no error message"
    if type(error).__module__ == "builtins" and not isinstance(error, OSError | RuntimeError):
        # The text of a KeyError is only the key.
        text = f"{type(error).__name__}: {text}"
    recognized: Exception = CredentialRetrievalError(provider=provider, error_msg=text)
    return without_credentials(recognized)
