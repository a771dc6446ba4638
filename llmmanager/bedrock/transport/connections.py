"""Connections that another thread can close while a call uses them.

This module imports botocore. It is imported with the first client.
"""

from __future__ import annotations

import contextlib
import queue
import socket
from typing import Any

from botocore.awsrequest import (
    AWSHTTPConnection,
    AWSHTTPConnectionPool,
    AWSHTTPSConnection,
    AWSHTTPSConnectionPool,
)

from llmmanager.bedrock.models.deadline import Cancellation
from llmmanager.bedrock.transport.converse_api import current_cancellation
from llmmanager.bedrock.transport.timed_response import TimedResponse


class _Interruptible:
    """Mixin for a connection: closes it when the call that uses it is interrupted.

    Its responses end at the deadline of the call.
    """

    response_class = TimedResponse
    sock: Any
    _call: Cancellation | None = None
    _connecting: socket.socket | None = None
    _answering: Any = None
    _awaits_response = False

    def begin_call(self, call: Cancellation) -> None:
        """Use the connection for a call."""
        self._call = call
        call.add_closer(self._shut_down)

    def end_call(self) -> bool:
        """End the use of the connection. Return whether the call was interrupted."""
        call, self._call = self._call, None
        self._answering = None
        if call is None:
            return False
        call.remove_closer(self._shut_down)
        return call.is_interrupted

    def connect(self) -> None:
        """Connect, and shake hands if the connection uses TLS."""
        try:
            super().connect()  # type: ignore[misc]
        finally:
            connecting, self._connecting = self._connecting, None
            if connecting is not None and self._call is not None:
                self._call.remove_closer(self._shut_down)
                connecting.close()
                self._call.add_closer(self._shut_down)

    def getresponse(self, *args: Any, **kwargs: Any) -> Any:
        """Return the response, whose body is not read yet."""
        self._answering, self._awaits_response = self.sock, True
        try:
            return super().getresponse(*args, **kwargs)  # type: ignore[misc]
        finally:
            self._awaits_response = False

    def close(self) -> None:
        """Close the connection.

        Within `getresponse`, it is the server that closes it after the response: the call goes on.
        """
        if not self._awaits_response:
            self.end_call()
        super().close()  # type: ignore[misc]

    def _new_conn(self) -> socket.socket:
        connected: socket.socket = super()._new_conn()  # type: ignore[misc]
        if self._call is not None:
            # A TLS handshake takes the descriptor away from `sock` until it is done.
            self._connecting = connected.dup()
            if self._call.is_interrupted:
                self._shut_down()
        return connected

    def _shut_down(self) -> None:
        """End all reads and writes of the connection, in any thread."""
        for used in (self._connecting, self.sock, self._answering):
            # TLS within TLS, through a proxy, is an object that has a socket.
            plain = used if isinstance(used, socket.socket) else getattr(used, "socket", None)
            if isinstance(plain, socket.socket):
                with contextlib.suppress(OSError):
                    # Not SSLSocket.shutdown: it first removes the encryption, so that another thread could
                    # send plain text.
                    socket.socket.shutdown(plain, socket.SHUT_RDWR)


class _HTTPConnection(_Interruptible, AWSHTTPConnection):  # type: ignore[misc]
    pass


class _HTTPSConnection(_Interruptible, AWSHTTPSConnection):  # type: ignore[misc]
    pass


class _ConnectionStack(queue.LifoQueue[Any]):
    """The unused connections of a pool. urllib3 also puts placeholders for those that it may still open."""

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        """Add a connection. Ignore a placeholder: they only matter to a pool that limits its connections."""
        if item is not None:
            super().put(item, block, timeout)


class _InterruptiblePool:
    """Mixin for a connection pool, which gives connections to the thread's current call."""

    QueueCls = _ConnectionStack
    pool: queue.LifoQueue[Any] | None

    def close_unused(self) -> None:
        """Close the connections that no call uses."""
        with contextlib.suppress(queue.Empty):
            while self.pool is not None:
                self.pool.get(block=False).close()

    def _get_conn(self, timeout: float | None = None) -> Any:
        connection = super()._get_conn(timeout)  # type: ignore[misc]
        call = current_cancellation()
        if call is not None:
            connection.begin_call(call)
        return connection

    def _put_conn(self, connection: Any) -> None:
        if connection is not None and connection.end_call():
            connection.close()
        super()._put_conn(connection)  # type: ignore[misc]


class _HTTPPool(_InterruptiblePool, AWSHTTPConnectionPool):  # type: ignore[misc]
    ConnectionCls = _HTTPConnection


class _HTTPSPool(_InterruptiblePool, AWSHTTPSConnectionPool):  # type: ignore[misc]
    ConnectionCls = _HTTPSConnection


def make_interruptible(client: Any) -> None:
    """Let `Cancellation.interrupt` close the connections that the client opens from now on."""
    # The dict is the one that the client's direct connections and those through proxies use.
    client._endpoint.http_session._pool_classes_by_scheme.update(http=_HTTPPool, https=_HTTPSPool)


def close_client(client: Any) -> None:
    """Close a client and its unused connections.

    The client alone would close them when its pools are no longer referenced, but the traceback of an error
    can refer to them.
    """
    session = client._endpoint.http_session
    for manager in (session._manager, *session._proxy_managers.values()):
        for key in manager.pools.keys():  # noqa: SIM118 (it cannot be iterated)
            if pool := manager.pools.get(key):
                pool.close_unused()
    client.close()
