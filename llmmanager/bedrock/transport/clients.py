"""Pool of botocore clients: one session, and one client for each service and region."""

from __future__ import annotations

import math
import threading
from typing import TYPE_CHECKING, Any, NoReturn

from llmmanager.bedrock.exceptions.llm_manager_exceptions import AuthenticationError, ConfigurationError
from llmmanager.bedrock.forks import after_fork
from llmmanager.bedrock.models.llm_manager_structures import AuthConfig
from llmmanager.bedrock.routing.classification import classify
from llmmanager.bedrock.routing.decision import CREDENTIALS_KINDS, Kind
from llmmanager.bedrock.transport.credentials import NAMED, NO_CREDENTIALS, has_api_key
from llmmanager.bedrock.transport.sessions import new_session, user_agent

if TYPE_CHECKING:
    from botocore.config import Config
    from botocore.session import Session

CONNECT_TIMEOUT_SECONDS = 3.0
SHORT_CONNECT_TIMEOUT_SECONDS = 0.5
MAX_CONNECTIONS = 512


class ClientPool:
    """Clients for Bedrock and its control plane by region, created when first needed. Thread-safe.

    botocore's retries are disabled: the attempt loop decides on retries, failover and waits.

    Args:
        timeout: read timeout in seconds for calls without an earlier deadline.
        max_connections: connections per region; at least the number of calling threads.
    """

    def __init__(
        self, auth_config: AuthConfig | None = None, *, timeout: float, max_connections: int = MAX_CONNECTIONS
    ) -> None:
        self._auth = auth_config or AuthConfig()
        self._timeout = timeout
        self.max_connections = max_connections
        self._start_empty()
        after_fork(self, ClientPool._start_empty)

    def _start_empty(self) -> None:
        """Start without clients. A fork must not use the connections of its parent."""
        self._lock = threading.Lock()
        self._session: Session | None = None
        self._clients: dict[tuple[str, str, float], Any] = {}

    @property
    def auth_type(self) -> str:
        """The source of the credentials: a value of `AuthenticationType`."""
        return self._auth.auth_type.value

    def client(self, service: str, region: str, *, remaining: float = math.inf) -> Any:
        """Return the client of `service` ("bedrock-runtime" or "bedrock") in `region`.

        Args:
            remaining: seconds until the caller's deadline. botocore sets the connect timeout by client, not
                by call. Close to a deadline, a second client with a shorter timeout is used.

        Raises:
            AuthenticationError: credentials are missing or invalid.
            ConfigurationError: the region is invalid.
        """
        connect = CONNECT_TIMEOUT_SECONDS
        if remaining < CONNECT_TIMEOUT_SECONDS:
            connect = SHORT_CONNECT_TIMEOUT_SECONDS
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
        """Whether credentials exist and can be renewed. Only a call shows whether AWS accepts them.

        Raises:
            AuthenticationError, ConfigurationError: the configured profile cannot be read, or its credentials
                cannot be renewed.
        """
        if has_api_key(self._auth):
            return True
        with self._lock:
            try:
                credentials = self._ensured_session().get_credentials()
                return credentials is not None and credentials.get_frozen_credentials() is not None
            except Exception as error:
                self._raise_translated(error, None)

    def renew(self) -> None:
        """Discard the session. The next call reads the credentials again."""
        with self._lock:
            self._session = None
            self._clients = {}

    def close(self) -> None:
        """Close every connection. The pool can be used again afterwards."""
        with self._lock:
            clients, self._clients = self._clients, {}
        if clients:
            from llmmanager.bedrock.transport.connections import close_client

            for client in clients.values():
                close_client(client)

    def _new_client(self, service: str, region: str, connect: float) -> Any:
        from llmmanager.bedrock.transport.connections import make_interruptible

        try:
            session = self._ensured_session()
            client = session.create_client(service, region_name=region, config=self._config(connect))
            make_interruptible(client)
            client.meta.events.register("after-call", _forget_retries)
            if has_api_key(self._auth) or session.get_credentials() is not None:
                return client
        except Exception as error:
            decision = classify(error)
            if decision is not None and (decision.transient or decision.kind is Kind.EXPIRED_CREDENTIALS):
                # A retry may succeed: the service that provides credentials failed temporarily.
                raise
            self._raise_translated(error, region)
        raise AuthenticationError(NO_CREDENTIALS, self.auth_type, region)

    def _ensured_session(self) -> Session:
        if self._session is None:
            self._session = new_session(self._auth)
        return self._session

    def _raise_translated(self, error: Exception, region: str | None) -> NoReturn:
        """Raise the library's error for an error that botocore raises before a call."""
        decision = classify(error)
        if decision is not None and (decision.kind in CREDENTIALS_KINDS or decision.transient):
            raise AuthenticationError(str(error), self.auth_type, region) from error
        # ValueError: an endpoint that is not a URL. OSError: a config file that cannot be read.
        if decision is not None or isinstance(error, ValueError | OSError):
            raise ConfigurationError(str(error), {"region": region}) from error
        raise error

    def _config(self, connect: float) -> Config:
        from botocore.config import Config

        return Config(
            connect_timeout=min(connect, self._timeout),
            read_timeout=self._timeout,
            max_pool_connections=self.max_connections,
            retries={"total_max_attempts": 1, "mode": "standard"},
            # The request is already validated: see request_validation.
            parameter_validation=False,
            user_agent=user_agent(self._ensured_session()),
            user_agent_extra="llmmanager",
            signature_version="v4" if self._auth.auth_type in NAMED else None,
        )


def _forget_retries(parsed: dict[str, Any], **_: Any) -> None:
    # botocore's retries are disabled. Its errors would end in "(reached max retries: 0)".
    parsed.get("ResponseMetadata", {}).pop("MaxAttemptsReached", None)


def check_timeout(timeout: float) -> None:
    """Raise ConfigurationError unless the timeout is a number of seconds above 0."""
    if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not 0 < timeout < math.inf:
        raise ConfigurationError(
            f"timeout must be a number of seconds above 0 (got {timeout!r})", {"timeout": timeout}
        )


def check_max_connections(max_connections: int) -> None:
    """Raise ConfigurationError unless the number of connections is an integer of at least 1."""
    if isinstance(max_connections, bool) or not isinstance(max_connections, int) or max_connections < 1:
        raise ConfigurationError(
            f"max_connections must be an integer of at least 1 (got {max_connections!r})",
            {"max_connections": max_connections},
        )
