"""Which port the emulator takes."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from infra.local.emulator import choose_port
from infra.local.processes import LocalRunError


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_taken_port_is_refused_by_its_number_with_a_way_out(taken_port: int) -> None:
    with pytest.raises(LocalRunError, match=rf"port {taken_port} is taken.*make local PORT="):
        choose_port(taken_port)


def test_a_port_out_of_range_is_refused() -> None:
    with pytest.raises(LocalRunError, match="from 1 to 65535"):
        choose_port(70_000)


def test_without_a_wish_any_free_port_is_chosen(taken_port: int) -> None:
    assert choose_port(None) not in (0, taken_port)
