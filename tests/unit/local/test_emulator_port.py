"""The port of the emulator."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from local import emulator
from local.emulator import choose_port
from local.processes import LocalRunError


@pytest.fixture
def used_port() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_used_port_is_rejected(used_port: int) -> None:
    with pytest.raises(LocalRunError, match=rf"port {used_port} is used.*make local PORT="):
        choose_port(used_port)


def test_a_port_out_of_range_is_rejected() -> None:
    with pytest.raises(LocalRunError, match="from 1 to 65535"):
        choose_port(70_000)


def test_without_a_requested_port_a_free_port_is_returned(
    used_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    free_port = choose_port(None)
    monkeypatch.setattr(emulator, "_FREE_PORTS", [used_port, free_port])
    assert {choose_port(None) for _ in range(20)} == {free_port}


def test_a_free_port_is_not_one_of_outgoing_connections() -> None:
    assert 1024 < choose_port(None) < 32_768
