"""One session, one client a region and service: made when first needed, shared by all threads."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from llmmanager.bedrock.exceptions.llm_manager_exceptions import AuthenticationError, ConfigurationError
from llmmanager.bedrock.invocation.sessions import new_session, user_agent
from llmmanager.bedrock.models.llm_manager_structures import AuthConfig, AuthenticationType
from llmmanager.bedrock.routing.classification import classify
from llmmanager.bedrock.routing.decision import Kind

if TYPE_CHECKING:
    from botocore.config import Config
    from botocore.session import Session

CONNECT_TIMEOUT_SECONDS = 3.0
HURRIED_CONNECT_TIMEOUT_SECONDS = 0.5
MAX_CONNECTIONS = 128

_NAMED = frozenset({AuthenticationType.PROFILE, AuthenticationType.CREDENTIALS})


class ClientPool:
    """Clients of Bedrock and its control plane by region. Thread-safe.

    botocore's own retries are off: retries, failover and waiting are decided in one place.

    Args:
        timeout: longest silence of a server in seconds, for calls without a tighter deadline.
        max_connections: connections kept a region; at least the number of threads that call.
    """

    def __init__(
        self, auth_config: AuthConfig | None = None, *, timeout: float, max_connections: int = MAX_CONNECTIONS
    ) -> None:
        self._auth = auth_config or AuthConfig()
        self._timeout = timeout
        self._max_connections = max_connections
        self._lock = threading.Lock()
        self._session: Session | None = None
        self._clients: dict[tuple[str, str, float], Any] = {}

    @property
    def auth_type(self) -> str:
        """Where the credentials come from, as `AuthenticationType` has it."""
        return self._auth.auth_type.value

    def client(self, service: str, region: str, *, remaining: float = math.inf) -> Any:
        """The client of `service` ("bedrock-runtime" or "bedrock") in `region`.

        Args:
            remaining: seconds until the caller's deadline. botocore sets the connect timeout by client,
                not by call: close to a deadline a second client that connects in a hurry is used.

        Raises:
            AuthenticationError: the configured profile or credentials cannot be used.
            ConfigurationError: no such region.
        """
        connect = CONNECT_TIMEOUT_SECONDS
        if remaining < CONNECT_TIMEOUT_SECONDS:
            connect = HURRIED_CONNECT_TIMEOUT_SECONDS
        key = (service, region, connect)
        found = self._clients.get(key)
        if found is not None:
            return found
        with self._lock:
            found = self._clients.get(key)
            if found is None:
                found = self._clients[key] = self._new_client(service, region, connect)
            return found

    def has_credentials(self) -> bool:
        """Whether credentials can be found at all; whether AWS takes them, only a call shows.

        Raises:
            AuthenticationError, ConfigurationError: the configured profile cannot be read.
        """
        if os.environ.get("AWS_BEARER_TOKEN_BEDROCK") and self._auth.auth_type not in _NAMED:
            return True
        with self._lock, self._translated(None):
            return self._ensured_session().get_credentials() is not None

    def renew(self) -> None:
        """Forget the session, so that the next call reads its credentials anew."""
        with self._lock:
            self._session = None
            self._clients = {}

    def close(self) -> None:
        """Close every connection. The pool can be used again afterwards."""
        with self._lock:
            clients, self._clients = self._clients, {}
        for client in clients.values():
            client.close()

    def _new_client(self, service: str, region: str, connect: float) -> Any:
        with self._translated(region):
            return self._ensured_session().create_client(
                service, region_name=region, config=self._config(connect)
            )

    def _ensured_session(self) -> Session:
        if self._session is None:
            self._session = new_session(self._auth)
        return self._session

    @contextmanager
    def _translated(self, region: str | None) -> Iterator[None]:
        """What botocore refuses before any call, as this library's errors."""
        from botocore.exceptions import BotoCoreError

        try:
            yield
        except (BotoCoreError, ValueError) as error:  # ValueError: an endpoint that is no URL
            decision = classify(error)
            if decision is not None and decision.kind is Kind.CREDENTIALS:
                raise AuthenticationError(str(error), self.auth_type, region) from error
            raise ConfigurationError(str(error), {"region": region}) from error

    def _config(self, connect: float) -> Config:
        from botocore.config import Config

        return Config(
            connect_timeout=min(connect, self._timeout),
            read_timeout=self._timeout,
            max_pool_connections=self._max_connections,
            retries={"total_max_attempts": 1, "mode": "standard"},
            # The request was validated as a whole before; see request_validation.
            parameter_validation=False,
            user_agent=user_agent(self._ensured_session()),
            user_agent_extra="llmmanager",
            # What a caller has named signs the call, not an API key that happens to be in the environment.
            signature_version="v4" if self._auth.auth_type in _NAMED else None,
        )
