"""Credentials as botocore finds them, with errors that say that they are about credentials.

botocore's providers raise whatever goes wrong in them: a missing executable is a FileNotFoundError,
credentials that stay expired a RuntimeError, a file with an odd date a ValueError. Here all of it becomes
botocore's CredentialRetrievalError, unless it is about credentials already or may pass.
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
"""What the caller has named signs the call, not an API key that is also in the environment."""

NO_CREDENTIALS = (
    "no AWS credentials were found: run `aws configure` or `aws login`, set AWS_PROFILE, or set "
    "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or pass auth_config=AuthConfig(...)"
)
_SLOW_SECONDS = 0.2
_LONGEST_MEMORY_SECONDS = 5.0


def has_api_key(auth: AuthConfig) -> bool:
    """Whether a Bedrock API key in the environment signs the calls."""
    return bool(os.environ.get("AWS_BEARER_TOKEN_BEDROCK")) and auth.auth_type not in NAMED


def guard(session: Session, auth: AuthConfig) -> None:
    """Make the session's credentials and tokens raise errors that say what they are about."""
    methods = {"credential_provider": "get_frozen_credentials", "token_provider": "get_frozen_token"}
    if auth.auth_type is AuthenticationType.CREDENTIALS:
        # To make the chain would read a profile that is not needed.
        del methods["credential_provider"]
    for component, freeze in methods.items():
        provider = _Provider(session.get_component(component), freeze, is_needed=not has_api_key(auth))
        session.register_component(component, provider)


class _Guarded:
    """Passes everything on to an object of botocore.

    A slow failure is remembered for as long as it took, so that of many threads not each waits for a program
    or a service that does not answer.
    """

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self._failure: Exception | None = None
        self._remembered_until = float("-inf")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def _called(self, call: Callable[[], T]) -> T | None:
        started = time.monotonic()
        if started < self._remembered_until:
            if self._failure is None:
                return None
            raise _about_credentials(self._failure, self._inner)
        try:
            result = call()
        except Exception as error:
            self._remember(error, started)
            raised = _about_credentials(error, self._inner)
            if raised is error:
                raise
            raise raised from error
        if result is None:
            self._remember(None, started)
        return result

    def _remember(self, failure: Exception | None, started: float) -> None:
        now = time.monotonic()
        if now - started >= _SLOW_SECONDS:
            self._failure = failure
            self._remembered_until = now + min(now - started, _LONGEST_MEMORY_SECONDS)


class _Provider(_Guarded):
    """A chain of providers, whose credentials or tokens are guarded as well.

    Args:
        freeze: the method of these that renews them.
        is_needed: whether the calls are signed with these credentials.
    """

    def __init__(self, inner: Any, freeze: str, *, is_needed: bool) -> None:
        super().__init__(inner)
        self._freeze = freeze
        self._is_needed = is_needed

    def load_credentials(self) -> Any:
        """Return the credentials, or None when there are none. An API key needs none."""
        return self._wrapped(self._called(self._inner.load_credentials)) if self._is_needed else None

    def load_token(self, **arguments: Any) -> Any:
        """Return the token of a service, or None when there is none.

        botocore also looks for a token of IAM Identity Center, which is for other services: its profile may
        be incomplete here.
        """
        if "signing_name" not in arguments:
            return None
        return self._wrapped(self._called(lambda: self._inner.load_token(**arguments)))

    def _wrapped(self, found: Any) -> Any:
        return _Renewable(found, self._freeze) if hasattr(found, self._freeze) else found


class _Renewable(_Guarded):
    """Credentials or a token, renewed when a call is signed."""

    def __init__(self, inner: Any, freeze: str) -> None:
        super().__init__(inner)
        setattr(self, freeze, lambda: self._called(getattr(inner, freeze)))


def _about_credentials(error: Exception, source: Any) -> Exception:
    """Return the error itself when it says what it is about, else one that does."""
    from botocore.exceptions import CredentialRetrievalError

    decision = classify(error)
    if decision is not None and (decision.transient or decision.kind in CREDENTIALS_KINDS):
        return without_credentials(error)
    provider = getattr(source, "method", None) or "the configured source"
    text = str(error) or "no reason given"
    if type(error).__module__ == "builtins" and not isinstance(error, OSError | RuntimeError):
        # A KeyError's text is the key alone.
        text = f"{type(error).__name__}: {text}"
    told: Exception = CredentialRetrievalError(provider=provider, error_msg=text)
    return without_credentials(told)
